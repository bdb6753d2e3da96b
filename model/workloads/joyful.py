"""The model that comes with the project, on conversations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model import precision
from model.batch import Batch, Conversations
from model.coefficients import Coefficients
from model.config import RunConfig
from model.data import DEV, TEST, TRAIN, Dataset
from model.evaluation import Evaluation, Prediction, metrics
from model.network import Joyful
from model.objective import Objective


class JoyfulWorkload:
    """Cells that differ only inside the loss; the units are dialogues, the examples utterances."""

    prefix = ""

    def __init__(self, configs: Sequence[RunConfig], dataset: Dataset, device: torch.device) -> None:
        """Copy the data to the device, build the network."""
        first, losses, modalities = configs[0], [config.loss for config in configs], tuple(dataset.features)
        self.graph, gated = first.model.graph, first.model.fusion.gated
        self.dataset, self.label_names = dataset, dataset.label_names
        self.data = Conversations.of(dataset, device, precision.dtype(first.training.precision))
        count = torch.as_tensor(dataset.count(TRAIN)).to(self.data.features)
        self.numbers = Coefficients.stacked([Coefficients.of(loss, count, modalities) for loss in losses])
        self.objective = Objective.of(losses, modalities, gated)
        self.names = self.objective.names
        self.evaluated = tuple(name for name in self.names if name != "contrastive")
        self.weights = count.new_tensor([list(loss.weights(gated).values()) for loss in losses])
        self.splits = [dataset.dialogues(split) for split in (TRAIN, DEV, TEST)]
        self.network = Joyful(self.data.widths, self.data.speakers, self.data.classes, first.model)
        self.network.to(self.data.features)
        self.network.fusion.attended.packed = len(configs) > 1

    def units(self, split: int) -> NDArray[np.int64]:
        """The dialogues of a split."""
        return self.splits[split]

    def largest(self, count: int) -> NDArray[np.int64]:
        """The longest dialogues."""
        dialogues = self.splits[TRAIN]
        return dialogues[self.dataset.length[dialogues].argsort()[::-1][:count]]

    def batch(self, units: NDArray[np.int64]) -> Batch:
        """Whole dialogues."""
        return self.data.batch(units, self.graph)

    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """Features of each modality and the speaker of utterances; of dialogues the length."""
        return {**self.dataset.features, "speaker": self.dataset.speaker, "length": self.dataset.length}

    def size(self, batch: Batch) -> int:
        """Its utterances."""
        return len(batch.label)

    def compute(
        self, network: Callable[..., Any], batch: Batch, numbers: tuple[Tensor, ...], training: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Terms, scalars, and logits (N, C); the views of the contrastive term are drawn in training alone."""
        output = network(batch, self.objective.views if training else None)
        return self.objective.terms(output, batch.label, Coefficients(*numbers)), output.logits

    def evaluate(self, units: NDArray[np.int64], output: Tensor) -> Evaluation:
        """Metrics of (N, C) logits."""
        length = self.dataset.length[units]
        rows = np.concatenate([np.arange(n) + at for n, at in zip(length, self.data.start[units], strict=True)])
        probability = output.sigmoid() if self.objective.multi_label else output.softmax(-1)
        prediction = Prediction(
            self.dataset.label[rows], probability.cpu().numpy(), self.label_names, np.repeat(units, length)
        )
        return Evaluation(metrics(prediction), prediction)
