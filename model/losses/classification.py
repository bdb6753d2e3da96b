"""What the kinds of classification loss share: two families, each one formula with two numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor

TINY = 1e-12


class Classification(Config):
    """A kind is a place in its family: the ``coefficients`` alpha and gamma.

    So runs of different kinds of one family can be trained as one batched computation.

    Attributes:
        multi_label: whether an utterance has any number of labels (sigmoid) instead of one class (softmax).
    """

    multi_label: ClassVar[bool]

    @property
    def coefficients(self) -> tuple[float, float]:
        """Alpha and gamma."""
        raise NotImplementedError

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance, by class.

        Args:
            logits: (N, C) outputs ``z``.
            target: (N, C) target distribution ``q``, or probability ``q`` of each label.

        Returns:
            (N, C) losses in nats.
        """
        return loss(logits, target, self.multi_label, *self.coefficients)


def loss(logits: Tensor, target: Tensor, multi_label: bool, alpha: float | Tensor, gamma: float | Tensor) -> Tensor:
    """(N, C) losses of a family; ``alpha`` and ``gamma`` are numbers or scalar tensors."""
    family = _sigmoid if multi_label else _softmax
    return family(logits, target, alpha, gamma)


def _softmax(logits: Tensor, target: Tensor, alpha: float | Tensor, gamma: float | Tensor) -> Tensor:
    """``-alpha q (1 - p)^gamma log p`` with ``p = softmax(z)``."""
    log_prob = logits.log_softmax(-1)
    # expm1 keeps 1 - p accurate near p = 1; the clamp keeps its gradient finite for gamma < 1 at p = 1.
    missing = (-log_prob.expm1()).clamp(min=TINY)
    return -(alpha * target * missing**gamma * log_prob)


def _sigmoid(logits: Tensor, target: Tensor, alpha: float | Tensor, gamma: float | Tensor) -> Tensor:
    """``-2 (alpha q (1 - p)^gamma log p + (1 - alpha) (1 - q) p^gamma log(1 - p))`` with ``p = sigmoid(z)``."""
    zero = logits.new_zeros(())
    yes, no = zero.logaddexp(-logits), zero.logaddexp(logits)
    # The clamp keeps the gradient finite for gamma < 1 where the probability is 0 in this precision.
    missing, present = (x.sigmoid().clamp(min=TINY) ** gamma for x in (-logits, logits))
    return 2 * (alpha * target * missing * yes + (1 - alpha) * (1 - target) * present * no)
