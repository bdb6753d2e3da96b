"""Negative log-likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from model.base import Config

if TYPE_CHECKING:
    from torch import Tensor


class NLL(Config):
    """``l_n = -sum_c q_nc log p_nc``: of a label without smoothing ``-log p_n[y_n]``."""

    kind: Literal["nll"] = "nll"

    def __call__(self, log_prob: Tensor, target: Tensor) -> Tensor:
        """Loss of each utterance.

        Args:
            log_prob: (N, C) log-probabilities.
            target: (N, C) target distribution ``q``.

        Returns:
            (N,) losses in nats.
        """
        return -(target * log_prob).sum(-1)
