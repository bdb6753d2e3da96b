"""What the strategies share that combine the terms' gradients by a rule of the torchjd package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from model.weighting.base import Step, Strategy, WeightingConfig

if TYPE_CHECKING:
    from torch import Tensor

Rule = Callable[["Tensor"], "Tensor"]


class Aggregation(WeightingConfig):
    """The gradients of ``base_k L_k`` are combined by a rule that looks at their inner products.

    Each rule gives weights ``a`` (K,) from the Gramian ``G_jk = <base_j grad L_j, base_k grad L_k>`` over all
    parameters, and ``w_k = base_k a_k``, times K where the rule means an average: so where the gradients are
    orthogonal and equally long every rule gives the plain weighted sum, and lengths of steps are comparable. A term
    without a gradient in a batch is left out of the rule.
    """

    cost: ClassVar[str] = "a backward pass a term and step"
    measures: ClassVar[bool] = True
    packable: ClassVar[bool] = True
    averages: ClassVar[bool]

    def rule(self) -> Rule:
        """The rule: (K, K) Gramian to (K,) weights."""
        raise NotImplementedError

    def start(self, base: Tensor) -> Strategy:
        """See ``WeightingConfig``."""
        return _Aggregated(base, self.rule(), self.averages)


class _Aggregated(Strategy):
    every = 1

    def __init__(self, base: Tensor, rule: Rule, averages: bool) -> None:
        super().__init__(base)
        self.rule, self.averages = rule, averages

    def on_step(self, step: Step) -> None:
        assert step.gramian is not None
        weighted = step.gramian * self.base * self.base[:, None]
        length = weighted.diagonal()
        # Of a run that diverges the weights are NaN too, where some rules would fail.
        multiplier = length.new_ones(len(length)) if weighted.isfinite().all() else length * float("nan")
        pushes = (length > 0).nonzero()[:, 0]
        if len(pushes):
            scale = len(pushes) if self.averages else 1
            multiplier[pushes] = scale * self.rule(weighted[pushes[:, None], pushes])
        self.weight = self.base * multiplier.to(self.base.dtype)
