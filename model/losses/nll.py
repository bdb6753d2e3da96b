"""Negative log-likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class NLL(Config):
    """``l_n = -log p_n[y_n]``."""

    kind: Literal["nll"] = "nll"

    def __call__(self, log_prob: Tensor, label: Tensor) -> Tensor:
        """Loss of each utterance.

        Args:
            log_prob: (N, C) log-probabilities.
            label: (N,) class indices.

        Returns:
            (N,) losses in nats.
        """
        return -log_prob.gather(1, label[:, None])[:, 0]
