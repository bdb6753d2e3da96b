"""Smooth L1 loss of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import PositiveFloat

from model.base import Config
from model.losses.huber import huber

if TYPE_CHECKING:
    from torch import Tensor


class SmoothL1(Config):
    """Quadratic below ``beta``, linear above (Girshick 2015, equation 3, with the width ``beta`` of PyTorch).

    ``l_nd = e^2 / (2 beta) if |e| < beta else |e| - beta / 2`` with ``e = o_nd - t_nd``.
    """

    kind: Literal["smooth_l1"] = "smooth_l1"
    beta: PositiveFloat = 1.0

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each component of each utterance.

        Args:
            output: (N, D) reconstruction.
            target: (N, D) what it reconstructs.

        Returns:
            (N, D) losses.
        """
        return huber(output, target, self.beta) / self.beta
