"""What the kinds of reconstruction loss share: one formula with two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class Reconstructive(Config):
    """A kind is a Huber loss of some ``width`` and ``scale``, its ``coefficients``.

    So runs of different kinds can be trained as one batched computation.
    """

    @property
    def coefficients(self) -> tuple[float, float]:
        """Width of the quadratic part, and scale."""
        raise NotImplementedError

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each component of each utterance.

        Args:
            output: (N, D) reconstruction.
            target: (N, D) what it reconstructs.

        Returns:
            (N, D) losses.
        """
        width, scale = self.coefficients
        return huber(output, target, output.new_tensor(width), scale)


def huber(output: Tensor, target: Tensor, width: Tensor, scale: float | Tensor) -> Tensor:
    """(N, D) ``scale`` times the Huber losses: with ``c = min(|e|, width)`` both branches are ``c (|e| - c / 2)``."""
    error = (output - target).abs()
    inside = error.minimum(width)
    return scale * inside * (error - inside / 2)
