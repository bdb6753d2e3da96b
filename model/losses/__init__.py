"""The loss: its terms, their kinds and weights.

    total = classification + w_cl * contrastive
          + w_enc * (reconstruction_global + reconstruction_inter + w_gate * gate)

The gate's term exists where the fusion has gates, the contrastive one where its kind is not ``none``. Terms may be
normalised (``model.normalisation``), and their weights may change during training (``model.weighting``).

A new kind of a term is one new file beside these, named in the union of that term below.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat

from model.base import Config, DataError
from model.losses.bce import BCE
from model.losses.class_weight import ClassWeight
from model.losses.focal import Focal
from model.losses.focal_bce import FocalBCE
from model.losses.huber import Huber
from model.losses.infonce import InfoNCE
from model.losses.modality_weight import ModalityWeight
from model.losses.mse import MSE
from model.losses.nll import NLL
from model.losses.no_contrast import NoContrast
from model.losses.smooth_l1 import SmoothL1
from model.weighting import Fixed, Weighting

ClassificationLoss = Annotated[NLL | Focal | BCE | FocalBCE, Field(discriminator="kind")]
ReconstructionLoss = Annotated[MSE | SmoothL1 | Huber, Field(discriminator="kind")]
ContrastiveLoss = Annotated[InfoNCE | NoContrast, Field(discriminator="kind")]

__all__ = [
    "BCE",
    "MSE",
    "NLL",
    "ClassificationLoss",
    "ContrastiveLoss",
    "Focal",
    "FocalBCE",
    "Huber",
    "InfoNCE",
    "Losses",
    "NoContrast",
    "ReconstructionLoss",
    "SmoothL1",
]


class Losses(Config):
    """Kinds and weights of the terms; ``encoder_weight`` is that of all terms of the fusion encoder."""

    classification: ClassificationLoss = NLL()
    class_weight: Annotated[ClassWeight, Field(description="by counts in train, or one for each class")] = "none"
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="part of the target spread over all classes")] = 0.0
    reconstruction: ReconstructionLoss = MSE()
    modality_weight: ModalityWeight = Field(default_factory=dict)
    encoder_weight: Annotated[NonNegativeFloat, Field(title="enc", description="of all terms of the fusion")] = 0.05
    gate_weight: Annotated[NonNegativeFloat, Field(title="gate", description="of the gates among them")] = 0.01
    contrastive: ContrastiveLoss = InfoNCE()
    normalisation: Annotated[
        Literal["none", "log", "minmax"], Field(title="norm", description="of the terms, before they are weighted")
    ] = "none"
    weighting: Weighting = Fixed()

    def weights(self, gated: bool) -> dict[str, float]:
        """Weight of each term in the total at the start; ``gated`` says whether the fusion has gates."""
        contrastive = {} if self.contrastive.kind == "none" else {"contrastive": self.contrastive.weight}
        gate = {"gate": self.encoder_weight * self.gate_weight} if gated else {}
        return {
            "classification": 1.0,
            **contrastive,
            "reconstruction_global": self.encoder_weight,
            "reconstruction_inter": self.encoder_weight,
            **gate,
        }

    def modality_weights(self, modalities: Sequence[str]) -> list[float]:
        """Weight of each modality in the reconstructions."""
        return [self.modality_weight.get(name, 1.0) for name in modalities]

    def check(self, classes: int, multi_label: bool, modalities: Sequence[str]) -> None:
        """Refuse settings that do not fit the data.

        Raises:
            DataError: the kind of classification is for another task, class weights have another length than there
                are classes, or modality weights name a modality that is not there or leave nothing.
        """
        kind = self.classification
        if kind.multi_label != multi_label:
            has, use = ("several labels", "bce or focal_bce") if multi_label else ("one class", "nll or focal")
            raise DataError(
                f"loss.classification is {kind.kind}, but the data set has {has} for each utterance; use {use}."
            )
        if not isinstance(self.class_weight, str) and len(self.class_weight) != classes:
            raise DataError(
                f"loss.class_weight has {len(self.class_weight)} weights, but the data set has {classes} classes; "
                f"give one weight for each class."
            )
        unknown = sorted(set(self.modality_weight) - set(modalities))
        if unknown:
            raise DataError(
                f"loss.modality_weight names {', '.join(unknown)}; the modalities are {', '.join(modalities)}."
            )
        if not any(self.modality_weights(modalities)):
            raise DataError("loss.modality_weight is 0 for every modality; use loss.encoder_weight: 0 instead.")
