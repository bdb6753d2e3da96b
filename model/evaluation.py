"""Predictions of a split and the metrics of the task."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support


def metrics(
    label: NDArray[np.int64], predicted: NDArray[np.int64], label_names: tuple[str, ...]
) -> Mapping[str, float]:
    """Accuracy, F1 of each class, and their mean weighted by class size (weighted) or not (macro).

    A class that is neither present nor predicted has F1 0 and weight 0 in the weighted mean; it counts in the macro
    mean.

    Args:
        label: (N,) true classes.
        predicted: (N,) predicted classes.
        label_names: (C,) names.
    """
    _, _, f1, support = precision_recall_fscore_support(
        label, predicted, labels=range(len(label_names)), zero_division=0.0
    )
    return {
        "weighted_f1": float(np.average(f1, weights=support)),
        "macro_f1": float(np.mean(f1)),
        "accuracy": float(np.mean(label == predicted)),
        **{f"f1/{name}": float(value) for name, value in zip(label_names, f1, strict=True)},
    }


def confusion(label: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """(C, C) counts, true class by row."""
    return np.asarray(confusion_matrix(label, predicted, labels=range(classes)), dtype=np.int64)
