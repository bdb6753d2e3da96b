"""Targets of the classification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def targets(label: Tensor, like: Tensor, smoothing: float) -> Tensor:
    """Distribution over the classes: ``q_nc = (1 - e) [c = y_n] + e / C`` (Szegedy et al. 2016, section 7).

    Args:
        label: (N,) classes.
        like: (N, C) whose shape and type the result has.
        smoothing: e in [0, 1).

    Returns:
        (N, C) that sums to 1 over the classes.
    """
    uniform = like.new_full(like.shape, smoothing / like.size(1))
    return uniform.scatter_add(1, label[:, None], like.new_full((len(label), 1), 1 - smoothing))
