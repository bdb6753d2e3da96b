"""What is trained: data, network, terms of the loss and metrics, as the trainer sees them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model.configuration import Configuration, Loaded
from model.evaluation import Evaluation

Numbers = tuple[Tensor, ...]  # what the cells of a pack differ in
Index = NDArray[Any]  # of integers


class Workload(Protocol):
    """P cells of one seed that are trained together. A unit is what the data are split, shuffled and batched by.

    Attributes:
        network: newly initialised, as the seed has it; all cells start with a copy of it.
        prefix: of the names of its parameters, before the name of the part that they are of.
        names: of the K terms of the loss.
        evaluated: those of them that exist when the network is not trained.
        weights: (P, K) of the terms at the start.
        numbers: what the cells differ in, each with a first dimension P.
    """

    prefix: str
    names: tuple[str, ...]
    evaluated: tuple[str, ...]
    weights: Tensor

    @property
    def network(self) -> nn.Module:
        """As above."""

    @property
    def numbers(self) -> Numbers:
        """As above."""

    def units(self, split: int) -> Index:
        """The units of a split (``TRAIN``, ``DEV``, ``TEST``), in the order of the data."""

    def largest(self, count: int) -> Index:
        """So many units of the training split, those whose batch takes the most memory."""

    def batch(self, units: Index) -> Any:
        """The batch of some units, in order."""

    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """What the network is given, by name: an example or more of each."""

    def size(self, batch: Any) -> int:
        """How many examples (N) a batch has: what the terms are means over."""

    def compute(
        self, network: Callable[..., Any], batch: Any, numbers: Numbers, training: bool
    ) -> tuple[Sequence[Tensor], Tensor]:
        """The K raw terms, scalars, and the outputs (N, ...) of one cell.

        Args:
            network: the network with the parameters of the cell.
            batch: see there.
            numbers: of the cell.
            training: whether to compute also what is there in training alone.
        """

    def evaluate(self, units: Index, output: Tensor) -> Evaluation:
        """Metrics of the outputs (N, ...) of one cell on units of one split, in order."""


def workload(configs: Sequence[Configuration], data: Loaded, device: torch.device) -> Workload:
    """That of some cells, whose network draws its weights from torch's generator.

    Args:
        configs: of the cells; ``pack_key`` says which may be together.
        data: of all of them, prepared.
        device: where to train.
    """
    if configs[0].task:
        from model.workloads.of_task import OfTask

        return OfTask(configs, data, device)  # type: ignore[arg-type]
    from model.workloads.joyful import JoyfulWorkload

    return JoyfulWorkload(configs, data, device)  # type: ignore[arg-type]
