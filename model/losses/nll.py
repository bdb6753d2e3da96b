"""Negative log-likelihood of one class."""

from typing import ClassVar, Literal

from model.losses.classification import Classification


class NLL(Classification):
    """``l_nc = -q_nc log p_nc`` with ``p_n = softmax(z_n)``: summed over c, without smoothing, ``-log p_n[y_n]``."""

    multi_label: ClassVar[bool] = False

    kind: Literal["nll"] = "nll"

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Classification``."""
        return 1.0, 0.0
