"""Binary cross-entropy of several labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class BCE(Config):
    """``l_nc = -q_nc log p_nc - (1 - q_nc) log(1 - p_nc)`` with ``p = sigmoid(z)``: each label is one decision."""

    multi_label: ClassVar[bool] = True

    kind: Literal["bce"] = "bce"

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance, by label.

        Args:
            logits: (N, C) outputs ``z``.
            target: (N, C) probability ``q`` of each label.

        Returns:
            (N, C) losses in nats.
        """
        yes, no = surprise(logits)
        return target * yes + (1 - target) * no


def surprise(logits: Tensor) -> tuple[Tensor, Tensor]:
    """``-log p`` and ``-log(1 - p)``, each (N, C), finite for every finite logit."""
    zero = logits.new_zeros(())
    return zero.logaddexp(-logits), zero.logaddexp(logits)
