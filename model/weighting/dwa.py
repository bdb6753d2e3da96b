"""Dynamic weight average."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveFloat

from model.weighting.base import Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-8


class DWA(WeightingConfig):
    """``w_k = base_k K softmax_k(r_k / T)`` with ``r_k = L_k(t - 1) / L_k(t - 2)`` (Liu et al. 2019, equation 7).

    L_k(t) is the mean of term k over epoch t: a term that falls more slowly than the others gains weight. The first two
    epochs have the weights of the configuration. ``temperature`` is T.
    """

    cost: ClassVar[str] = "nothing"
    packable: ClassVar[bool] = True

    kind: Literal["dwa"] = "dwa"
    temperature: Annotated[PositiveFloat, Field(description="T: the larger, the more equal the weights")] = 2.0

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _DWA(base, self.temperature)


class _DWA(Strategy):
    def __init__(self, base: Tensor, temperature: float) -> None:
        super().__init__(base)
        self.temperature = temperature
        self.before: Tensor | None = None

    def on_epoch(self, terms: Tensor) -> None:
        if self.before is not None:
            rate = terms / self.before.clamp(min=TINY)
            self.weight = self.base * len(terms) * (rate / self.temperature).softmax(-1)
        self.before = terms
