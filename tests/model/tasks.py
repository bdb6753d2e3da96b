"""Tasks of the tests: a regression without classes, and tasks with a mistake each."""

import math
import os
import random
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor, nn

from model.base import DataError
from model.configuration import Direction
from model.evaluation import Evaluation, classification
from model.task import Coefficient, Data, Task


def linear(n: int, seed: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    return {"x": x, "y": (x @ np.array([1, -1, 0.5, 0]) + 0.1 * rng.normal(size=n)).astype(np.float32)}


class Regression(Task):
    """A line with batch norm and dropout before it; smaller errors are better."""

    terms: ClassVar[Mapping[str, float]] = {"squared": 1.0, "absolute": 0.5}
    metrics: ClassVar[Mapping[str, Direction]] = {"rmse": "min", "r2": "max"}
    hidden: PositiveInt = 8
    scale: Annotated[PositiveFloat, Coefficient] = 1.0
    examples: PositiveInt = 40

    def load(self) -> Data:
        return Data(linear(self.examples, 0), linear(20, 1), linear(20, 2), name="line")

    def build(self, data: Data) -> nn.Module:
        width = data.train["x"].shape[1]
        return nn.Sequential(
            nn.Linear(width, self.hidden), nn.BatchNorm1d(self.hidden), nn.Dropout(0.1), nn.Linear(self.hidden, 1)
        )

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        output = network(batch["x"])[:, 0]
        error = (output - batch["y"]) / self.scale
        return {"squared": error.square().mean(), "absolute": error.abs().mean()}, output

    def evaluate(self, output: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
        error = output - arrays["y"]
        return Evaluation({"rmse": float(np.sqrt((error**2).mean())), "r2": float(1 - error.var() / arrays["y"].var())})


class Frozen(Regression):
    """With a frozen layer, a layer of which the bias alone is trained, and one that no term reaches."""

    frozen: Literal["a part", "all"] = "a part"

    def build(self, data: Data) -> nn.Module:
        network = super().build(data)
        assert isinstance(network, nn.Sequential)
        network.insert(0, nn.Linear(4, 4)).append(nn.Linear(1, 1))
        network[0].requires_grad_(False)
        network[1].weight.requires_grad_(False)
        return network.requires_grad_(False) if self.frozen == "all" else network

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        assert isinstance(network, nn.Sequential)
        return super().losses(network[:-1], batch)


class Undefined(Regression):
    """With metrics that may be NaN: ``r2`` always; ``rmse`` on dev where it is larger than ``limit``, or on test."""

    limit: PositiveFloat = 1e9
    on_test: bool = False

    def load(self) -> Data:
        return Data(linear(self.examples, 0), linear(20, 1), linear(21, 2), name="line")

    def evaluate(self, output: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
        rmse = super().evaluate(output, arrays).metrics["rmse"]
        lost = self.on_test if len(output) == 21 else rmse > self.limit
        return Evaluation({"rmse": math.nan if lost else rmse, "r2": math.nan})


class Alone(Regression):
    """Its losses look at values, which no pack can do."""

    packable: ClassVar[bool] = False

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        terms, output = super().losses(network, batch)
        return (terms if terms["squared"].item() >= 0 else {}), output


class Unpackable(Alone):
    """Says that it can be packed, and cannot."""

    packable: ClassVar[bool] = True


class Empty(Regression):
    """Without examples to choose the epoch on."""

    def load(self) -> Data:
        return Data(linear(4, 0), linear(0, 1), linear(4, 2), name="line")


class Unreadable(Regression):
    """Whose data cannot be read."""

    def load(self) -> Data:
        raise DataError("line.csv: no such file.")


class OtherTerms(Regression):
    """Whose losses are not those that it declares."""

    terms: ClassVar[Mapping[str, float]] = {"squared": 1.0, "huber": 1.0}


class OtherMetrics(Regression):
    """Whose metrics are not those that it declares."""

    metrics: ClassVar[Mapping[str, Direction]] = {"mae": "min"}


class NoScalar(Regression):
    """Whose losses have one value for each example."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        terms, output = super().losses(network, batch)
        return {**terms, "squared": (output - batch["y"]).square()}, output


class Raises(Regression):
    """Whose network cannot be built."""

    def build(self, data: Data) -> nn.Module:
        raise RuntimeError("no such layer")


class NoGradient(Regression):
    """Whose terms do not depend on the network."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        output = torch.zeros_like(batch["y"])
        error = F.mse_loss(output, batch["y"])
        return {"squared": error, "absolute": error}, output


class NoDefault(Regression):
    """Where a setting has no default."""

    width: int


class BadName(Regression):
    """Where a term has a name that is no name of a metric."""

    terms: ClassVar[Mapping[str, float]] = {"squared/2": 1.0}


class Counts(Regression):
    """Whose class keeps a state from one run to the next."""

    calls: ClassVar[list[int]] = []

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        terms, output = super().losses(network, batch)
        self.calls.append(1)
        return {name: term * (1 + 0.01 * len(self.calls)) for name, term in terms.items()}, output


class OwnGenerator(Regression):
    """Draws from a generator of its own."""

    noise: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        terms, output = super().losses(network, batch)
        return {name: term * float(1 + self.noise.random()) for name, term in terms.items()}, output


class OtherGenerators(Regression):
    """Draws from NumPy's and Python's generators, which is allowed."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        terms, output = super().losses(network, batch)
        return {name: term * (1 + np.random.random() + random.random()) for name, term in terms.items()}, output


class MovesFrozen(Frozen):
    """Changes in a step what is frozen, as a moving average does; all cells of a pack would share it."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        assert isinstance(network, nn.Sequential)
        with torch.no_grad():
            weight = network[0].weight
            assert isinstance(weight, Tensor)
            weight.mul_(0.5)
        return super().losses(network, batch)


class LastOfOne(Regression):
    """Whose last batch is a single example, which batch norm does not take."""

    examples: PositiveInt = 33


class InPlace(Regression):
    """Changes in place what the backward pass needs."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        output = network(batch["x"])[:, 0].exp()
        error = output - batch["y"]
        output.mul_(2)
        return {"squared": error.square().mean(), "absolute": error.abs().mean()}, output


class OtherData(Regression):
    """Whose data differ from one load to the next."""

    def load(self) -> Data:
        return Data(linear(40, int.from_bytes(os.urandom(2))), linear(20, 1), linear(20, 2), name="line")


class RaisesInLoad(Regression):
    """Whose data cannot be made."""

    def load(self) -> Data:
        raise KeyError("x")


class ReturnsLists(Regression):
    """Whose arrays are lists."""

    def load(self) -> Data:
        arrays: Any = {"x": [1.0], "y": [2.0]}
        return Data(arrays, arrays, arrays)


class ReturnsTuple(Regression):
    """Whose data are no ``Data``."""

    def load(self) -> Data:
        return linear(40, 0), linear(20, 1)  # type: ignore[return-value]


class NoTest(Regression):
    """Whose data have no test split."""

    def load(self) -> Data:
        return Data(train=linear(40, 0), dev=linear(20, 1))  # type: ignore[call-arg]


class ExitsInLosses(Regression):
    """Ends the process."""

    def losses(self, network: Callable[..., Any], batch: Mapping[str, Tensor]) -> tuple[Mapping[str, Tensor], Tensor]:
        sys.exit(0)


class ExitsAtOnce(Regression):
    """Ends the process at once."""

    def build(self, data: Data) -> nn.Module:
        os._exit(0)


class FewNames(Regression):
    """Has fewer names than classes."""

    metrics: ClassVar[Mapping[str, Direction]] = {"accuracy": "max"}

    def evaluate(self, output: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
        return classification(np.c_[output, -output, output], (arrays["y"] > 0).astype(np.int64) * 2, ("a", "b"))


class TermsInAList(Regression):
    """Whose terms have no weights."""

    terms: ClassVar[Mapping[str, float]] = ["squared", "absolute"]  # type: ignore[assignment]


class MetricsInAList(Regression):
    """Whose metrics have no direction."""

    metrics: ClassVar[Mapping[str, Direction]] = ["rmse"]  # type: ignore[assignment]


class NegativeWeight(Regression):
    """Where a term has a weight below 0."""

    terms: ClassVar[Mapping[str, float]] = {"squared": -1.0, "absolute": 1.0}


class NumpyDefault(Regression):
    """Where a default is a NumPy scalar."""

    width: int = np.int64(3)  # type: ignore[assignment]


NOT_A_TASK = 1
