"""Focal loss of one class."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from model.losses.classification import Classification


class Focal(Classification):
    """``l_nc = -alpha q_nc (1 - p_nc)^gamma log p_nc`` with ``p_n = softmax(z_n)``.

    Lin et al. 2017, equation 5, for a target distribution q. With ``alpha`` 1 and ``gamma`` 0 it is the negative
    log-likelihood. ``alpha`` scales all classes alike; weights of single classes are ``loss.class_weight``.
    """

    multi_label: ClassVar[bool] = False

    kind: Literal["focal"] = "focal"
    alpha: Annotated[PositiveFloat, Field(description="factor of the whole loss")] = 1.0
    gamma: Annotated[NonNegativeFloat, Field(description="how much less easy utterances count; 0 is nll")] = 2.0

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Classification``."""
        return self.alpha, self.gamma
