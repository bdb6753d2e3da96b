"""A user's task as a workload: the units are examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model import precision
from model.base import DataError
from model.evaluation import Evaluation
from model.task import Data, Task
from model.task_config import TaskConfig


class OfTask:
    """Cells of a task that differ only in numbers inside the loss."""

    prefix = "network."

    def __init__(self, configs: Sequence[TaskConfig], data: Data, device: torch.device) -> None:
        """Copy the data to the device, build the network."""
        first = configs[0]
        self.task, self.device, dtype = first.model, device, precision.dtype(first.training.precision)
        self.arrays = list(data.splits.values())
        self.tensors = [{key: _tensor(x, device, dtype) for key, x in arrays.items()} for arrays in self.arrays]
        self.offsets = np.cumsum([0, *(len(next(iter(arrays.values()))) for arrays in self.arrays)])
        weights = [config.loss.weight.model_dump() for config in configs]
        self.names = self.evaluated = tuple(weights[0])
        self.weights = torch.tensor([list(row.values()) for row in weights], dtype=dtype, device=device)
        self.coefficients = first.coefficients()
        self.numbers = tuple(
            torch.tensor([getattr(config.model, name) for config in configs], dtype=dtype, device=device)
            for name in self.coefficients
        )
        self.network = _Losses(self.task.build(data)).to(device, dtype)

    def units(self, split: int) -> NDArray[np.int64]:
        """The examples of a split; all splits are counted through."""
        return np.arange(self.offsets[split], self.offsets[split + 1])

    def largest(self, count: int) -> NDArray[np.int64]:
        """Any."""
        return self.units(0)[:count]

    def batch(self, units: NDArray[np.int64]) -> "tuple[Any, int]":
        """The task's batch of examples of one split, and how many they are."""
        split, rows = self._rows(units)
        return self.task.batch(self.tensors[split], torch.as_tensor(rows).to(self.device)), len(units)

    def _rows(self, units: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
        split = int(np.searchsorted(self.offsets, units[0], side="right")) - 1
        return split, units - self.offsets[split]

    def inputs(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of the task."""
        return self.arrays[0]

    def size(self, batch: "tuple[Any, int]") -> int:
        """Its examples."""
        return batch[1]

    def compute(
        self,
        network: Callable[..., Any],
        batch: "tuple[Any, int]",
        numbers: tuple[Tensor, ...],
        training: bool,  # noqa: ARG002
    ) -> tuple[list[Tensor], Tensor]:
        """Terms, scalars, and outputs (N, ...)."""
        task = self.task.model_copy(update=dict(zip(self.coefficients, numbers, strict=True)))
        found = network(task, batch[0])
        if not (isinstance(found, tuple) and len(found) == 2 and isinstance(found[0], Mapping)):
            raise DataError(f"losses returns {_described(found)}; it must return the terms by name, and the outputs.")
        terms, output = found
        if terms.keys() != {*self.names}:
            raise DataError(f"losses gives the terms {', '.join(terms)}; the task declares {', '.join(self.names)}.")
        return [terms[name] for name in self.names], output

    def evaluate(self, units: NDArray[np.int64], output: Tensor) -> Evaluation:
        """As the task does."""
        split, rows = self._rows(units)
        arrays = {key: array[rows] for key, array in self.arrays[split].items()}
        found = self.task.evaluate(output.cpu().numpy(), arrays)
        if not isinstance(found, Evaluation) or not isinstance(found.metrics, Mapping):
            raise DataError(
                f"evaluate returns {_described(found)}; it must return an Evaluation, with metrics by name."
            )
        return Evaluation({name: _number(name, value) for name, value in found.metrics.items()}, found.prediction)


class _Losses(nn.Module):
    """Has the task compute its losses inside of a module, so that they see the parameters of one cell of a pack."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, task: Task, batch: Any) -> tuple[Mapping[str, Tensor], Tensor]:
        return task.losses(self.network, batch)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"evaluate gives {_described(value)} for '{name}'; a metric is a number.") from None


def _described(value: Any) -> str:
    """The type of what a task returns, and of what is in it."""
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {', '.join(type(part).__name__ for part in value) or 'nothing'}"
    return f"a {type(value).__name__}"


def _tensor(array: NDArray[Any], device: torch.device, dtype: torch.dtype) -> Tensor:
    tensor = torch.as_tensor(array)
    return tensor.to(device, dtype if tensor.is_floating_point() else None)
