"""Weights of the classes in the classification term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat

if TYPE_CHECKING:
    from torch import Tensor

BETA = 0.999

Kind = Literal["none", "inverse_frequency", "effective_number"]
ClassWeight = Kind | Annotated[tuple[PositiveFloat, ...], Field(min_length=2)]


def class_weights(setting: ClassWeight, count: Tensor) -> Tensor:
    """Weight of each class.

    The loss of an utterance is multiplied by the weight of its class, and the mean is taken over the weights (as
    ``torch.nn.functional.nll_loss`` does): ``sum_n w[y_n] l_n / sum_n w[y_n]``. Where an utterance has several labels,
    the loss of each label has its weight: ``sum_nc w_c l_nc / (N sum_c w_c)``.

    Args:
        setting: ``none`` for 1; ``inverse_frequency`` for ``sum_c n_c / (C n_c)``; ``effective_number`` for
            ``1 / (1 - b^{n_c})`` with b = .999, scaled to a mean of 1 over the classes (Cui et al. 2019, equation 2);
            or the C weights. A class without a training utterance gets 1: of several
            labels each utterance has a loss for it.
        count: (C,) training utterances ``n_c`` of each class or label, floating point.

    Returns:
        (C,) weights.
    """
    if setting == "none":
        return count.new_ones(len(count))
    if setting == "inverse_frequency":
        return (count.sum() / (len(count) * count.clamp(min=1))).where(count > 0, 1.0)
    if setting == "effective_number":
        weight = 1 / (1 - BETA ** count.clamp(min=1))
        return (weight / weight[count > 0].mean()).where(count > 0, 1.0)
    return count.new_tensor(setting)
