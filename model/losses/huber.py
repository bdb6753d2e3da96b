"""Huber loss of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class Huber(Config):
    """Quadratic below ``delta``, linear above (Huber 1964).

    ``l_nd = e^2 / 2 if |e| < delta else delta (|e| - delta / 2)`` with ``e = o_nd - t_nd``: ``delta`` times
    the smooth L1 loss with ``beta = delta``, so that small errors weigh the same whatever ``delta`` is.
    """

    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each component of each utterance.

        Args:
            output: (N, D) reconstruction.
            target: (N, D) what it reconstructs.

        Returns:
            (N, D) losses.
        """
        return huber(output, target, self.delta)


def huber(output: Tensor, target: Tensor, width: float) -> Tensor:
    """(N, D) Huber losses. With ``c = min(|e|, width)`` both branches are ``c (|e| - c / 2)``."""
    error = (output - target).abs()
    inside = error.clamp(max=width)
    return inside * (error - inside / 2)
