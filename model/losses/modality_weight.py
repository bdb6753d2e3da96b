"""Weights of the modalities in a reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat

if TYPE_CHECKING:
    from torch import Tensor

ModalityWeight = Annotated[dict[str, NonNegativeFloat], Field(description="by modality; 1 for those not named")]


def column_weights(weight: Sequence[float], widths: Sequence[int], like: Tensor) -> Tensor:
    """Weight of each column of a reconstruction whose columns belong to M modalities.

    The loss of an utterance is ``sum_d w_m(d) l_nd / sum_d w_m(d)``: only the ratios count, and with equal weights it
    is the plain mean over the columns.

    Args:
        weight: of each of the M modalities.
        widths: columns of each modality, sums to D.
        like: a tensor of the wanted type and device.

    Returns:
        (D,) weights with mean 1.
    """
    column = like.new_tensor([w for w, width in zip(weight, widths, strict=True) for _ in range(width)])
    return column / column.mean()
