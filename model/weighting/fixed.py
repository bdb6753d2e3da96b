"""Weights that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from model.weighting.base import Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor


class Fixed(WeightingConfig):
    """The weights of the configuration, from the first step to the last: the plain weighted sum."""

    cost: ClassVar[str] = "nothing"
    packable: ClassVar[bool] = True

    kind: Literal["fixed"] = "fixed"

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return Strategy(base)
