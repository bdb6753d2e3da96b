"""Negative log-likelihood of one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class NLL(Config):
    """``l_nc = -q_nc log p_nc`` with ``p_n = softmax(z_n)``: summed over c, without smoothing, ``-log p_n[y_n]``."""

    multi_label: ClassVar[bool] = False

    kind: Literal["nll"] = "nll"

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance, by class.

        Args:
            logits: (N, C) outputs ``z``.
            target: (N, C) target distribution ``q``.

        Returns:
            (N, C) losses in nats.
        """
        return -target * logits.log_softmax(-1)
