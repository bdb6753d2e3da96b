"""What the metrics of the task are made of: sums over dialogues."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def count(predictions: pd.DataFrame) -> Counts:
    """Count a run's stored predictions.

    Args:
        predictions: a row for each test utterance: ``dialogue``; ``label`` and ``predicted``, each a class or a JSON
            list of labels; a column ``p(...)`` for each of them.
    """
    labels = tuple(column[2:-1] for column in map(str, predictions) if column.startswith("p("))
    true, predicted = (_indicators(predictions[column], labels) for column in ("label", "predicted"))
    right = (true == predicted).all(1)
    every = np.ones_like(right)
    rows = np.stack(
        [np.c_[true & predicted, right], np.c_[true, every], np.c_[predicted, every]], axis=1, dtype=np.float64
    )
    dialogues, place = np.unique(predictions["dialogue"].astype(int), return_inverse=True)
    values = np.zeros((len(dialogues), *rows.shape[1:]))
    np.add.at(values, place, rows)
    return Counts(labels, tuple(dialogues.tolist()), values)


def _indicators(column: pd.Series, labels: Sequence[str]) -> NDArray[np.bool_]:
    """(N, C) whether a label applies."""
    texts = column.to_numpy(object)
    one_class = np.asarray(texts[:, None] == np.array(labels, object), dtype=bool)
    if one_class.any(1).all():
        return one_class
    sets = [set(json.loads(text)) for text in texts]
    return np.array([[label in applies for label in labels] for applies in sets], dtype=bool)


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
