"""What the classification losses share: weights per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat

from model.base import Config, DataError

if TYPE_CHECKING:
    from torch import Tensor


class Classification(Config):
    """Base of the classification losses.

    ``class_weight`` multiplies the loss of an utterance by the weight of its class, and the mean is taken over the
    weights (as ``torch.nn.functional.nll_loss`` does): ``sum_n w[y_n] l_n / sum_n w[y_n]``.
    ``inverse_frequency`` is ``N / (C n_c)`` with the counts ``n_c`` of the training split; a class without a training
    utterance gets the weight of a class with one.
    """

    class_weight: (
        Literal["none", "inverse_frequency"] | Annotated[tuple[NonNegativeFloat, ...], Field(min_length=2)]
    ) = "none"

    def weights(self, count: Tensor) -> Tensor:
        """Weight of each class.

        Args:
            count: (C,) training utterances of each class, floating point.

        Returns:
            (C,) weights.

        Raises:
            DataError: the configured list has another length than C.
        """
        if self.class_weight == "none":
            return count.new_ones(len(count))
        if self.class_weight == "inverse_frequency":
            return count.sum() / (len(count) * count.clamp(min=1))
        if len(self.class_weight) != len(count):
            raise DataError(
                f"loss.classification.class_weight has {len(self.class_weight)} weights, but the data set has "
                f"{len(count)} classes; give one weight for each class."
            )
        return count.new_tensor(self.class_weight)
