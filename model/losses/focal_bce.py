"""Focal loss of several labels."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat

from model.losses.classification import Classification


class FocalBCE(Classification):
    """``l_nc = -2 (alpha q (1 - p)^gamma log p + (1 - alpha) (1 - q) p^gamma log(1 - p))`` with ``p = sigmoid(z)``.

    Lin et al. 2017, equation 5, times 2, so that ``alpha`` .5 and ``gamma`` 0 give the binary cross-entropy. ``alpha``
    above .5 favours the labels that apply over those that do not; weights of single labels are ``loss.class_weight``.
    """

    multi_label: ClassVar[bool] = True

    kind: Literal["focal_bce"] = "focal_bce"
    alpha: Annotated[float, Field(gt=0, lt=1, description="weight of a label that is there, against 1 - alpha")] = 0.5
    gamma: Annotated[NonNegativeFloat, Field(description="how much less easy labels count")] = 2.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Classification``."""
        return self.alpha, self.gamma
