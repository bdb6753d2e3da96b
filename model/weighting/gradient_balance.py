"""Weights by the inverse of the gradients' norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from model.weighting.base import Step, Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-12


class GradientBalance(WeightingConfig):
    """``w_k = c base_k / ||grad L_k||``, measured every ``every`` steps and kept in between.

    So the configuration's weights say in which proportion the terms push the parameters, whatever the scale of the
    losses. ``c`` keeps the sum of the weighted norms at what the configuration's weights would give, so that the
    length of the step does not change with the strategy (the inverse norms of GradNorm's ancestors, Chen et al. 2018,
    section 3, without a learned state).
    """

    cost: ClassVar[str] = "a backward pass a term every `every` steps"
    measures: ClassVar[bool] = True
    packable: ClassVar[bool] = True

    kind: Literal["gradient_balance"] = "gradient_balance"
    every: Annotated[PositiveInt, Field(description="steps between measurements of the gradients")] = 5

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _GradientBalance(base, self.every)


class _GradientBalance(Strategy):
    def __init__(self, base: Tensor, every: int) -> None:
        super().__init__(base)
        self.every = every

    def on_step(self, step: Step) -> None:
        if step.gramian is not None:
            norm = step.gramian.diagonal().sqrt().to(self.base.dtype)
            # A term without a gradient in this batch keeps the weight of the configuration.
            pushes = norm > TINY
            scale = (self.base * norm).sum() / self.base[pushes].sum()
            self.weight = self.base.where(~pushes, scale * self.base / norm.clamp(min=TINY))
