"""Binary cross-entropy of several labels."""

from typing import ClassVar, Literal

from model.losses.classification import Classification


class BCE(Classification):
    """``l_nc = -q_nc log p_nc - (1 - q_nc) log(1 - p_nc)`` with ``p = sigmoid(z)``: each label is one decision."""

    multi_label: ClassVar[bool] = True

    kind: Literal["bce"] = "bce"

    @property
    def coefficients(self) -> tuple[float, float]:
        """See ``Classification``."""
        return 0.5, 0.0
