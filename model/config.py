"""The complete configuration of a run of the model that comes with the project."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from model import parts
from model.architecture import Architecture
from model.base import DataError
from model.configuration import Configuration, Direction, Optimisation, Switches
from model.data import DataConfig, Dataset, Synthetic
from model.losses import Losses

SEVERAL_LABELS = ("micro_f1", "average_precision")
METRICS: dict[str, Direction] = dict.fromkeys(("weighted_f1", "macro_f1", "accuracy", *SEVERAL_LABELS), "max")

SMALL_BATCH = 16  # dialogues a step
BATCHED = ("transformer", "none")  # kinds of context


class Training(Optimisation):
    """Steps over whole dialogues; the epoch is chosen on dev by ``select``."""

    select: Annotated[
        Literal["weighted_f1", "macro_f1", "accuracy", "micro_f1", "average_precision"],
        Field(description="metric on dev by which the epoch is chosen"),
    ] = "weighted_f1"


class RunConfig(Configuration):
    """Data, network, loss and training of one cell."""

    data: DataConfig = Synthetic()
    model: Architecture = Architecture()
    loss: Losses = Losses()
    training: Training = Training()

    @property
    def task(self) -> str:
        """None of the user's."""
        return ""

    @property
    def source(self) -> DataConfig:
        """The data set."""
        return self.data

    @classmethod
    def metrics(cls) -> Mapping[str, Direction]:
        """Those of ``model.evaluation``."""
        return METRICS

    def label_names(self, data: Dataset) -> tuple[str, ...]:
        """Of the data set."""
        return data.label_names

    def check(self, data: Dataset, metrics: Mapping[str, str]) -> None:
        """Refuse settings that do not fit the data set.

        Raises:
            DataError: see ``Losses.check``; or a metric of several labels, which the data do not have, is compared or
                selects the epoch.
        """
        for key, metric in {"training.select": self.training.select, **metrics}.items():
            split, slash, name = metric.rpartition("/")
            if name in SEVERAL_LABELS and not data.multi_label:
                others = [f"{split}{slash}{other}" for other in METRICS if other not in SEVERAL_LABELS]
                raise DataError(
                    f"{key}: {metric} is a metric of several labels, but {data.name} has one class for each utterance; "
                    f"use {', '.join(others[:-1])} or {others[-1]}."
                )
        self.loss.check(len(data.label_names), data.multi_label, tuple(data.features))

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

    def small_steps(self) -> bool:
        """Measured: see ``runners.planner``."""
        return self.training.batch_size <= SMALL_BATCH

    def inert(self) -> tuple[str, ...]:
        """Settings that the chosen kinds leave without effect."""
        return () if self.model.fusion.gated else ("loss.gate_weight",)

    def switches(self) -> Switches:
        """See ``model.parts``."""
        return parts.switches(self.loss, self.model)

    def identity(self) -> dict[str, Any]:
        """The configuration as it enters a cell's identity: complete, defaults included, resources excluded."""
        return self.model_dump(mode="json") | {"data": self.data.identity()}
