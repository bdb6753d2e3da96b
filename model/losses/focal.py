"""Focal loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class Focal(Config):
    """``l_n = -alpha sum_c q_nc (1 - p_nc)^gamma log p_nc`` (Lin et al. 2017, equation 5, for a target distribution q).

    With ``alpha`` 1 and ``gamma`` 0 it is the negative log-likelihood. ``alpha`` scales all classes alike; weights per
    class are ``loss.class_weight``.
    """

    kind: Literal["focal"] = "focal"
    alpha: PositiveFloat = 1.0
    gamma: NonNegativeFloat = 2.0

    def __call__(self, log_prob: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance.

        Args:
            log_prob: (N, C) log-probabilities.
            target: (N, C) target distribution ``q``.

        Returns:
            (N,) losses in nats.
        """
        # expm1 keeps 1 - p accurate near p = 1; the clamp keeps its gradient finite for gamma < 1 at p = 1.
        missing = (-log_prob.expm1()).clamp(min=1e-12)
        return -self.alpha * (target * missing**self.gamma * log_prob).sum(-1)
