"""Random loss weighting."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from model.weighting.base import Step, Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor


class RLW(WeightingConfig):
    """``w_k = base_k K softmax_k(z)`` with ``z_k ~ N(0, 1)``, drawn anew in each step (Lin et al. 2022, section 3).

    The control that every adaptive strategy must beat: weights without information. We multiply by K, so that the
    weights are those of the configuration in the mean.
    """

    cost: ClassVar[str] = "nothing"
    packable: ClassVar[bool] = True

    kind: Literal["rlw"] = "rlw"

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _RLW(base)


class _RLW(Strategy):
    def on_step(self, step: Step) -> None:
        drawn = self.base.new_empty(self.base.shape).normal_()
        self.weight = self.base * len(step.terms) * drawn.softmax(-1)
