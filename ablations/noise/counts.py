"""What the metrics of the task are made of: sums over dialogues."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ablations.predictions import TypedPredictions

Array = NDArray[np.float64]
RIGHT, TRUE, PREDICTED = range(3)


@dataclass(frozen=True)
class Counts:
    """Of one run, by dialogue.

    Attributes:
        labels: (C,) names of the classes or labels.
        dialogues: (D,) their numbers in the data.
        values: (D, 3, C + 1), for each label how often it was rightly predicted, is true, and was predicted; in the
            last column the utterances with everything right, and twice the number of utterances.
    """

    labels: tuple[str, ...]
    dialogues: tuple[int, ...]
    values: Array

    def alike(self, other: "Counts") -> bool:
        """Whether both are of the same test dialogues."""
        same = self.labels == other.labels and self.dialogues == other.dialogues
        return same and np.array_equal(self.values[:, TRUE], other.values[:, TRUE])


def count(predictions: TypedPredictions) -> Counts:
    """Count a run's predictions."""
    dialogues, place = np.unique(predictions.dialogue, return_inverse=True)
    classes, utterances = len(predictions.label_names), len(place)
    true, predicted = _indicators(predictions.label, classes), _indicators(predictions.predicted, classes)
    right, every = (true == predicted).all(1), np.ones(utterances, bool)
    applies = {
        RIGHT: np.c_[true & predicted, right],
        TRUE: np.c_[true, every],
        PREDICTED: np.c_[predicted, every],
    }

    values = np.empty((len(dialogues), len(applies), classes + 1))
    for kind, indicators in applies.items():
        utterance, column = np.nonzero(indicators)
        bin_of_dialogue = place[utterance] * (classes + 1) + column
        counted = np.bincount(bin_of_dialogue, minlength=len(dialogues) * (classes + 1))
        values[:, kind] = counted.reshape(-1, classes + 1)
    return Counts(predictions.label_names, tuple(dialogues.tolist()), values)


def _indicators(label: NDArray[np.integer], classes: int) -> NDArray[np.bool_]:
    """(N, C) whether each label applies, of (N,) classes or of (N, C) zeros and ones."""
    return label.astype(bool) if label.ndim == 2 else label[:, None] == np.arange(classes)


def scorer(metric: str) -> Callable[[Array], Array] | None:
    """The metric as a function of counts (..., 3, C + 1), summed over dialogues, to (...); None if it is not one.

    With the counts of label c, ``F1_c = 2 right_c / (true_c + predicted_c)``, 0 where nothing is true or predicted;
    ``weighted_f1`` is their mean by ``true_c``, ``macro_f1`` their plain mean, ``micro_f1`` the same ratio of sums over
    the labels. Average precision depends on the order of the probabilities and is no function of counts.
    """
    return {
        "test/weighted_f1": _weighted_f1,
        "test/macro_f1": lambda counts: _f1(counts[..., :-1]).mean(-1),
        "test/micro_f1": lambda counts: _f1(counts[..., :-1].sum(-1)[..., None])[..., 0],
        "test/accuracy": lambda counts: counts[..., RIGHT, -1] / counts[..., TRUE, -1],
    }.get(metric)


def _weighted_f1(counts: Array) -> Array:
    true = counts[..., TRUE, :-1]
    return _ratio((_f1(counts[..., :-1]) * true).sum(-1), true.sum(-1))


def _f1(counts: Array) -> Array:
    """(..., 3, C) to (..., C)."""
    return _ratio(2 * counts[..., RIGHT, :], counts[..., TRUE, :] + counts[..., PREDICTED, :])


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
