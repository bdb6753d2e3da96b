"""Focal loss of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import NonNegativeFloat, PositiveFloat

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class Focal(Config):
    """``l_nc = -alpha q_nc (1 - p_nc)^gamma log p_nc`` with ``p_n = softmax(z_n)``.

    Lin et al. 2017, equation 5, for a target distribution q. With ``alpha`` 1 and ``gamma`` 0 it is the negative
    log-likelihood. ``alpha`` scales all classes alike; weights of single classes are ``loss.class_weight``.
    """

    multi_label: ClassVar[bool] = False

    kind: Literal["focal"] = "focal"
    alpha: PositiveFloat = 1.0
    gamma: NonNegativeFloat = 2.0

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance, by class.

        Args:
            logits: (N, C) outputs ``z``.
            target: (N, C) target distribution ``q``.

        Returns:
            (N, C) losses in nats.
        """
        log_prob = logits.log_softmax(-1)
        # expm1 keeps 1 - p accurate near p = 1; the clamp keeps its gradient finite for gamma < 1 at p = 1.
        missing = (-log_prob.expm1()).clamp(min=1e-12)
        return -self.alpha * target * missing**self.gamma * log_prob
