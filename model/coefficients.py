"""The numbers inside a loss, as tensors: all that cells of one batched computation may differ in."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.losses import Losses
from model.losses.class_weight import class_weights


class Coefficients(NamedTuple):
    """Of one cell; of a pack of P cells each has a first dimension P.

    Attributes:
        classification: (2,) alpha and gamma.
        class_weight: (C,) weight of each class.
        smoothing: scalar, of the labels.
        reconstruction: (2,) width and scale.
        modality_weight: (M,) weight of each modality in the reconstructions.
        temperature: scalar, of the contrastive term.
    """

    classification: Tensor
    class_weight: Tensor
    smoothing: Tensor
    reconstruction: Tensor
    modality_weight: Tensor
    temperature: Tensor

    @classmethod
    def of(cls, losses: Losses, count: Tensor, modalities: Sequence[str]) -> "Coefficients":
        """Those of a configuration.

        Args:
            losses: kinds and numbers.
            count: (C,) training utterances of each class or label.
            modalities: names.
        """
        contrastive = losses.contrastive
        return cls(
            classification=count.new_tensor(losses.classification.coefficients),
            class_weight=class_weights(losses.class_weight, count),
            smoothing=count.new_tensor(losses.label_smoothing),
            reconstruction=count.new_tensor(losses.reconstruction.coefficients),
            modality_weight=count.new_tensor(losses.modality_weights(modalities)),
            temperature=count.new_tensor(contrastive.temperature if contrastive.kind == "infonce" else 1.0),
        )

    @classmethod
    def stacked(cls, cells: "Sequence[Coefficients]") -> "Coefficients":
        """Those of a pack."""
        return cls(*(torch.stack(values) for values in zip(*cells, strict=True)))
