"""Gradient normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from model.weighting.base import Step, Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-8


class GradNorm(WeightingConfig):
    """Weights that are learned so that the terms train at one rate (Chen et al. 2018, equations 1 and 2, algorithm 1).

    With ``w_k = base_k v_k``, ``G_k = ||grad w_k L_k||`` and the inverse training rate ``r_k = (L_k / L_k(0)) / mean``
    of the raw terms, v descends on ``sum_k |G_k - mean(G) r_k^alpha|``, the target taken as a constant, and is scaled
    to sum to K after each step. ``alpha`` says how strongly a term that lags is favoured.

    We differ from the paper in measuring the gradients over all parameters instead of the last shared layer, and in
    dividing the step by mean(G), so that ``learning_rate`` has no units.
    """

    cost: ClassVar[str] = "a backward pass a term and step"
    measures: ClassVar[bool] = True
    packable: ClassVar[bool] = True

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: Annotated[NonNegativeFloat, Field(description="how strongly a term that lags is favoured")] = 1.5
    learning_rate: Annotated[PositiveFloat, Field(description="of the weights")] = 0.025

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _GradNorm(base, self)


class _GradNorm(Strategy):
    every = 1

    def __init__(self, base: Tensor, config: GradNorm) -> None:
        super().__init__(base)
        self.config = config
        self.multiplier = base.new_ones(base.shape)
        self.first: Tensor | None = None

    def on_step(self, step: Step) -> None:
        assert step.gramian is not None
        self.first = step.raw.clamp(min=TINY) if self.first is None else self.first
        self.weight = self.base * self.multiplier
        # Of the term times its weight in the configuration: what the multiplier multiplies.
        norm = self.base * step.gramian.diagonal().sqrt().to(self.base.dtype)
        pushed = self.multiplier * norm
        rate = step.raw / self.first
        target = pushed.mean() * (rate / rate.mean().clamp(min=TINY)) ** self.config.alpha
        slope = (pushed - target).sign() * norm / pushed.mean().clamp(min=TINY)
        moved = (self.multiplier - self.config.learning_rate * slope).clamp(min=TINY)
        self.multiplier = moved * (len(moved) / moved.sum())
