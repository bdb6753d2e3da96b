"""What every weighting strategy has: what it declares, and what it keeps during a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class WeightingConfig(Config):
    """A strategy that sets the weights of the K terms during training.

    The weights that the configuration gives (``loss.encoder_weight`` and so on) are where every strategy starts; how
    much of them it keeps is its own. A term of weight 0 is off, and no strategy turns it on.

    Attributes:
        cost: what a step or an epoch costs more than with fixed weights.
        measures: whether it asks for the gradients of single terms, so that every run of its pack pays for them.
        packable: whether runs with it can be trained in a pack.
    """

    cost: ClassVar[str]
    measures: ClassVar[bool] = False
    packable: ClassVar[bool]

    def start(self, base: Tensor) -> Strategy:
        """The strategy at the start of a run; ``base`` (K,) are the weights of the configuration, all positive."""
        raise NotImplementedError


class Step(NamedTuple):
    """What a strategy sees of a training step.

    ``raw`` (K,), the values without a graph, and ``terms`` (K,), the same normalised; ``gramian`` (K, K) in double
    precision, the inner products of the normalised terms' gradients over all parameters, where they were measured.
    """

    raw: Tensor
    terms: Tensor
    gramian: Tensor | None


class Strategy:
    """The weights during a run; these stay as they are.

    Attributes:
        weight: (K,) the weights that the next total is made with.
        every: number of steps from one measurement of the gradients to the next; 0 for a strategy without.
    """

    every = 0

    def __init__(self, base: Tensor) -> None:
        self.base = base
        self.weight = base

    def on_step(self, step: Step) -> None:
        """Set the weights of this step."""

    def on_epoch(self, terms: Tensor) -> None:
        """Set the weights of the next epoch.

        Args:
            terms: (K,) means of the terms over the utterances of the epoch that ends.
        """
