"""The loss: its terms, their kinds and weights.

    total = classification + w_cl * contrastive
          + w_enc * (reconstruction_global + reconstruction_inter + w_gate * gate)

The last term exists where the fusion has gates.

A new kind of a term is one new file beside these, named in the union of that term below.
"""

from typing import Annotated

from pydantic import Field, NonNegativeFloat

from model.base import Config, DataError
from model.losses.class_weight import ClassWeight
from model.losses.focal import Focal
from model.losses.huber import Huber
from model.losses.infonce import InfoNCE
from model.losses.mse import MSE
from model.losses.nll import NLL
from model.losses.smooth_l1 import SmoothL1

ClassificationLoss = Annotated[NLL | Focal, Field(discriminator="kind")]
ReconstructionLoss = Annotated[MSE | SmoothL1 | Huber, Field(discriminator="kind")]

__all__ = ["MSE", "NLL", "ClassificationLoss", "Focal", "Huber", "InfoNCE", "Losses", "ReconstructionLoss", "SmoothL1"]


class Losses(Config):
    """Kinds and weights of the terms; ``encoder_weight`` is that of all terms of the fusion encoder."""

    classification: ClassificationLoss = NLL()
    class_weight: ClassWeight = "none"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reconstruction: ReconstructionLoss = MSE()
    encoder_weight: Annotated[NonNegativeFloat, Field(title="enc")] = 0.05
    gate_weight: Annotated[NonNegativeFloat, Field(title="gate")] = 0.01
    contrastive: InfoNCE = InfoNCE()

    def weights(self, gated: bool) -> dict[str, float]:
        """Weight of each term in the total; ``gated`` says whether the fusion has gates."""
        gate = {"gate": self.encoder_weight * self.gate_weight} if gated else {}
        return {
            "classification": 1.0,
            "contrastive": self.contrastive.weight,
            "reconstruction_global": self.encoder_weight,
            "reconstruction_inter": self.encoder_weight,
            **gate,
        }

    def check_classes(self, classes: int) -> None:
        """Refuse a list of class weights that does not fit the data.

        Raises:
            DataError: it has another length than there are classes.
        """
        if not isinstance(self.class_weight, str) and len(self.class_weight) != classes:
            raise DataError(
                f"loss.class_weight has {len(self.class_weight)} weights, but the data set has {classes} classes; "
                f"give one weight for each class."
            )
