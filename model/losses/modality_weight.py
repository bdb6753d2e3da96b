"""Weights of the modalities in a reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeFloat

if TYPE_CHECKING:
    from torch import Tensor

ModalityWeight = Annotated[dict[str, NonNegativeFloat], Field(description="by modality; 1 for those not named")]


def column_weights(weight: Tensor, widths: Sequence[int]) -> Tensor:
    """Weight of each column of a reconstruction whose columns belong to M modalities.

    The loss of an utterance is ``sum_d w_m(d) l_nd / sum_d w_m(d)``: only the ratios count, and with equal weights it
    is the plain mean over the columns.

    Args:
        weight: (M,) weights of the modalities.
        widths: columns of each modality, sums to D.

    Returns:
        (D,) weights with mean 1.
    """
    column = weight[[m for m, width in enumerate(widths) for _ in range(width)]]
    return column / column.mean()
