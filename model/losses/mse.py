"""Mean squared error of a reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class MSE(Config):
    """``l_nd = (o_nd - t_nd)^2``."""

    kind: Literal["mse"] = "mse"

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each component of each utterance.

        Args:
            output: (N, D) reconstruction.
            target: (N, D) what it reconstructs.

        Returns:
            (N, D) losses.
        """
        return (output - target).square()
