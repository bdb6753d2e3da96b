"""Targets of the classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def targets(label: Tensor, like: Tensor, smoothing: float | Tensor) -> Tensor:
    """What the classification should give (Szegedy et al. 2016, section 7).

    For one class an utterance, a distribution over the classes: ``q_nc = (1 - e) [c = y_n] + e / C``. For several
    labels, the probability of each: ``q_nc = (1 - e) y_nc + e / 2``.

    Args:
        label: (N,) classes, or (N, C) labels that are 0 or 1.
        like: (N, C) whose shape and type the result has.
        smoothing: e in [0, 1), a number or a scalar tensor.

    Returns:
        (N, C).
    """
    if label.ndim == 2:
        return label.to(like.dtype) * (1 - smoothing) + smoothing / 2
    classes = like.size(1)
    return like.new_zeros(len(label), classes).scatter(1, label[:, None], 1.0) * (1 - smoothing) + smoothing / classes
