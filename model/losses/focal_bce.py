"""Focal loss of several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from model.base import Config
from model.losses.bce import surprise

if TYPE_CHECKING:
    from torch import Tensor


class FocalBCE(Config):
    """``l_nc = -2 (alpha q (1 - p)^gamma log p + (1 - alpha) (1 - q) p^gamma log(1 - p))`` with ``p = sigmoid(z)``.

    Lin et al. 2017, equation 5, times 2, so that ``alpha`` .5 and ``gamma`` 0 give the binary cross-entropy. ``alpha``
    above .5 favours the labels that apply over those that do not; weights of single labels are ``loss.class_weight``.
    """

    multi_label: ClassVar[bool] = True

    kind: Literal["focal_bce"] = "focal_bce"
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.5
    gamma: NonNegativeFloat = 2.0

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance, by label.

        Args:
            logits: (N, C) outputs ``z``.
            target: (N, C) probability ``q`` of each label.

        Returns:
            (N, C) losses in nats.
        """
        yes, no = surprise(logits)
        # The clamp keeps the gradient finite for gamma < 1 where the probability is 0 in this precision.
        missing, present = (x.sigmoid().clamp(min=1e-12) ** self.gamma for x in (-logits, logits))
        return 2 * (self.alpha * target * missing * yes + (1 - self.alpha) * (1 - target) * present * no)
