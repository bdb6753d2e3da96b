"""Predictions of a split and the metrics of the task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.metrics import (
    average_precision_score,
    multilabel_confusion_matrix,
)

from model.base import DataError


@dataclass(frozen=True)
class Prediction:
    """A split as the network sees it.

    Attributes:
        label: (N,) classes, or (N, C) labels that are 0 or 1.
        probability: (N, C), of classes that exclude one another or of each label.
        label_names: the C names.
        dialogue: (N,) the dialogue, or other group, that each utterance is of: what a bootstrap draws together.
    """

    label: NDArray[np.int64]
    probability: NDArray[np.float32]
    label_names: tuple[str, ...]
    dialogue: NDArray[np.int64]

    @property
    def multi_label(self) -> bool:
        """Whether an utterance has any number of labels instead of one class."""
        return self.label.ndim == 2

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) most probable classes, or (N, C) labels more probable than not."""
        return (self.probability > 0.5).astype(np.int64) if self.multi_label else self.probability.argmax(1)

    @property
    def position(self) -> NDArray[np.int64]:
        """(N,) place of each utterance among those of its dialogue, from 0."""
        order = np.argsort(self.dialogue, kind="stable")
        _, count = np.unique(self.dialogue, return_counts=True)
        position = np.empty_like(order)
        position[order] = np.concatenate([np.arange(n) for n in count])
        return position


@dataclass(frozen=True)
class Evaluation:
    """How well a network does on a split: metrics by name, and where there are classes what it predicts."""

    metrics: Mapping[str, float]
    prediction: Prediction | None = None


def classification(
    output: NDArray[np.floating[Any]],
    label: NDArray[np.int64],
    label_names: Sequence[str],
    group: NDArray[np.int64] | None = None,
) -> Evaluation:
    """Evaluate logits.

    Args:
        output: (N, C) logits.
        label: (N,) classes, then the probabilities are the softmax; or (N, C) of 0 and 1, then the sigmoid.
        label_names: the C names.
        group: (N,) of each example, as that of examples of one person or document; by default each is its own.

    Raises:
        DataError: there are not as many names as classes, or a label is none of them.
    """
    classes = output.shape[1]
    if classes != len(label_names):
        raise DataError(f"classification is given {len(label_names)} names for {classes} classes; each needs one.")
    if label.ndim == 1 and not ((label >= 0) & (label < classes)).all():
        raise DataError(
            f"classification is given labels {label.min()} to {label.max()} for {classes} classes, 0 to {classes - 1}."
        )
    several = label.ndim == 2
    probability = (expit(output) if several else softmax(output, axis=1)).astype(np.float32)
    group = np.arange(len(label)) if group is None else np.asarray(group)
    prediction = Prediction(np.asarray(label), probability, tuple(label_names), group)
    return Evaluation(metrics(prediction), prediction)


def metrics(prediction: Prediction) -> Mapping[str, float]:
    """Metrics of the task.

    F1 of each class or label, and their mean weighted by size (``weighted_f1``) or not (``macro_f1``); ``accuracy``, of
    several labels the share of utterances with all of them right. Of several labels also ``micro_f1``, over all
    decisions, and ``average_precision``, the mean over the labels that occur.

    A class that is neither present nor predicted has F1 0 and weight 0 in the weighted mean; it counts in the macro
    mean.
    """
    label, predicted, label_names = prediction.label, prediction.predicted, prediction.label_names
    right = label == predicted
    hits, support, positives = _counts(label, predicted, len(label_names))
    f1 = _f1(hits, support, positives)
    several = {}
    if prediction.multi_label:
        micro = _f1(hits.sum(), support.sum(), positives.sum())
        several = {"micro_f1": float(micro), "average_precision": _average_precision(prediction)}
    return {
        "weighted_f1": float(np.average(f1, weights=support)) if support.any() else 0.0,
        "macro_f1": float(np.mean(f1)),
        "accuracy": float(np.mean(right.all(1) if prediction.multi_label else right)),
        **several,
        **{f"f1/{name}": float(value) for name, value in zip(label_names, f1, strict=True)},
    }


def _counts(
    label: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(C,) how often each class or label is rightly predicted, is true, and is predicted.

    scikit-learn gives the same, but takes ten times as long, and dev is evaluated in every epoch.
    """
    if label.ndim == 2:
        return (label & predicted).sum(0), label.sum(0), predicted.sum(0)
    counted = [np.bincount(values, minlength=classes) for values in (label[label == predicted], label, predicted)]
    return counted[0], counted[1], counted[2]


def _f1(hits: NDArray[np.int64], support: NDArray[np.int64], positives: NDArray[np.int64]) -> NDArray[np.float64]:
    """``2 hits / (support + positives)``, 0 where a class is neither true nor predicted."""
    return np.asarray(2 * hits / np.maximum(support + positives, 1))


def _average_precision(prediction: Prediction) -> float:
    label, occurs = prediction.label, prediction.label.any(0)
    return float(
        # Of a run that diverges the probabilities are NaN, which scikit-learn refuses.
        average_precision_score(label[:, occurs], np.nan_to_num(prediction.probability[:, occurs]), average="macro")
        if occurs.any()
        else 0.0
    )


def confusion(prediction: Prediction) -> NDArray[np.int64]:
    """(C, C) counts, true class by row; of several labels (C, 4): true negatives, false positives, fn, tp."""
    if prediction.multi_label:
        return np.asarray(multilabel_confusion_matrix(prediction.label, prediction.predicted).reshape(-1, 4), np.int64)
    classes = prediction.probability.shape[1]
    pair = prediction.label * classes + prediction.predicted
    return np.bincount(pair, minlength=classes**2).reshape(classes, classes)
