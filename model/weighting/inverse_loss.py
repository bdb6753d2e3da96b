"""Weights by the inverse of the recent losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from model.weighting.base import Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor


TINY = 1e-8  # a loss below this counts as this


class InverseLoss(WeightingConfig):
    """After each epoch ``w_k <- m w_k + (1 - m) / mean(last losses of k)``, from the weights of the configuration.

    The mean is over the last ``window`` epochs, ``m`` is ``momentum``. So a term that has become small gains weight.
    The plain recurrence tends to ``1 / loss``: as the losses fall all weights grow without bound, and what is called a
    weighting is also a rising learning rate, and a change of units of the losses. With ``renormalise`` (the default)
    the weights are scaled after each epoch so that they keep the sum that they started with.
    """

    cost: ClassVar[str] = "nothing"
    packable: ClassVar[bool] = True

    kind: Literal["inverse_loss"] = "inverse_loss"
    momentum: Annotated[float, Field(ge=0, lt=1, description="part of the last weights that is kept")] = 0.9
    window: Annotated[PositiveInt, Field(description="epochs of which the mean loss is taken")] = 10
    renormalise: Annotated[bool, Field(description="keep the sum of the weights")] = True

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _InverseLoss(base, self)


class _InverseLoss(Strategy):
    def __init__(self, base: Tensor, config: InverseLoss) -> None:
        super().__init__(base)
        self.config = config
        self.last: tuple[Tensor, ...] = ()

    def on_epoch(self, terms: Tensor) -> None:
        self.last = (*self.last, terms)[-self.config.window :]
        recent = sum(self.last, terms.new_zeros(terms.shape)) / len(self.last)
        momentum = self.config.momentum
        moved = momentum * self.weight + (1 - momentum) / recent.clamp(min=TINY)
        self.weight = moved * (self.base.sum() / moved.sum()) if self.config.renormalise else moved
