"""The complete configuration of a run: everything that can change a result except the seed."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from model.architecture import Architecture
from model.base import Config, DataError
from model.data import DataConfig, Dataset, Synthetic
from model.losses import Losses
from model.optimiser import AdamW, Optimiser
from model.schedule import Constant, Schedule

SEVERAL_LABELS = ("micro_f1", "average_precision")

BATCHED = ("transformer", "none")  # kinds of context

Precision = Literal["fp32", "fp64", "tf32", "bf16"]


class Training(Config):
    """Steps over whole dialogues; the epoch is chosen on dev by ``select``.

    The gradients of the terms are measured at the first step of each epoch and every ``monitor_every`` steps after it;
    that changes no result. With the ``precision`` fp64, runs trained in packs and alone give the same predictions; tf32
    and bf16 are faster on GPUs that have them: see ``model.precision``.
    """

    epochs: Annotated[PositiveInt, Field(description="passes over the train split")] = 12
    batch_size: Annotated[PositiveInt, Field(description="dialogues a step")] = 8
    learning_rate: Annotated[PositiveFloat, Field(title="lr", description="of the optimiser")] = 3e-3
    optimiser: Optimiser = AdamW()
    schedule: Schedule = Constant()
    gradient_clip: Annotated[PositiveFloat, Field(description="largest norm of the gradient")] = 5.0
    monitor_every: Annotated[
        NonNegativeInt, Field(description="steps between measurements of the terms' gradients; 0 for none")
    ] = 20
    precision: Annotated[Precision, Field(description="of the numbers: see `model.precision`")] = "fp32"
    select: Annotated[
        Literal["weighted_f1", "macro_f1", "accuracy", "micro_f1", "average_precision"],
        Field(description="metric on dev by which the epoch is chosen"),
    ] = "weighted_f1"


class RunConfig(Config):
    """Data, network, loss and training of one cell."""

    data: DataConfig = Synthetic()
    model: Architecture = Architecture()
    loss: Losses = Losses()
    training: Training = Training()

    def check(self, dataset: Dataset) -> None:
        """Refuse settings that do not fit the data set.

        Raises:
            DataError: see ``Losses.check``; or the epoch is selected by a metric of several labels, which the data do
                not have.
        """
        if self.training.select in SEVERAL_LABELS and not dataset.multi_label:
            raise DataError(
                f"training.select: {self.training.select} is a metric of several labels, but {dataset.name} has one "
                f"class for each utterance; use weighted_f1, macro_f1 or accuracy."
            )
        self.loss.check(len(dataset.label_names), dataset.multi_label, tuple(dataset.features))

    def pack_key(self) -> str:
        """Equal for configurations that may be trained as one batched computation: all but numbers in the loss.

        A configuration whose parts cannot be batched (a recurrent context, a strategy that says so) has a key of its
        own.
        """
        alike = self.model_dump(mode="json", exclude={"loss"})
        contrastive = self.loss.contrastive
        drawn = contrastive.model_dump(mode="json", exclude={"weight", "temperature"}) if contrastive.weight else None
        weighting = self.loss.weighting
        alike["loss"] = [self.loss.classification.multi_label, contrastive.kind, drawn, weighting.measures]
        if not (weighting.packable and self.model.context.kind in BATCHED):
            alike["alone"] = self.loss.model_dump(mode="json")
        return json.dumps(alike, sort_keys=True)

    def inert(self) -> tuple[str, ...]:
        """Settings that the chosen kinds leave without effect."""
        return () if self.model.fusion.gated else ("loss.gate_weight",)

    def identity(self) -> dict[str, Any]:
        """The configuration as it enters a cell's identity: complete, defaults included, resources excluded."""
        return self.model_dump(mode="json") | {"data": self.data.identity()}
