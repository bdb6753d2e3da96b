"""Weighting by learned uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from model.weighting.base import Step, Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor


class Uncertainty(WeightingConfig):
    """``w_k = base_k e^{-s_k}``, where s minimises ``sum_k e^{-s_k} base_k L_k + s_k``.

    ``s_k = log sigma_k^2`` (Kendall et al. 2018, equation 7) starts at 0 and is learned with the network: after each
    step ``s_k <- s_k - r (1 - w_k L_k)`` with the ``learning_rate`` r. So each weighted term tends to 1, and
    a term that is hard to lower loses weight.

    We differ from the paper in a factor 2 of the whole, in plain gradient descent for s where the paper has the
    network's optimiser, and in leaving ``sum_k s_k`` out of the total that is logged: the network does not feel it.
    """

    cost: ClassVar[str] = "nothing"
    packable: ClassVar[bool] = True

    kind: Literal["uncertainty"] = "uncertainty"
    learning_rate: Annotated[PositiveFloat, Field(description="of the uncertainties")] = 0.01

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _Uncertainty(base, self.learning_rate)


class _Uncertainty(Strategy):
    def __init__(self, base: Tensor, learning_rate: float) -> None:
        super().__init__(base)
        self.learning_rate = learning_rate
        self.log_variance = base.new_zeros(base.shape)

    def on_step(self, step: Step) -> None:
        self.weight = self.base * (-self.log_variance).exp()
        self.log_variance = self.log_variance - self.learning_rate * (1 - self.weight * step.terms)
