"""A model of your own, in place of the one that comes with the project.

A task is a class with settings and four methods; ``task: package.module:Class`` in a matrix trains it with everything
that this project does for its own model: packs, weighting strategies, monitors, checkpoints, store and analysis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from model.base import Config, DataError
from model.configuration import Direction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from model.evaluation import Evaluation

CLASSES: dict[str, Direction] = dict.fromkeys(("weighted_f1", "macro_f1", "accuracy"), "max")


class Coefficient:
    """Marks a setting that is a number in the loss alone: ``temperature: Annotated[float, Coefficient] = 0.1``.

    Cells that differ in it may be trained in one pack. In ``losses`` it is a tensor, a scalar.
    """


@dataclass(frozen=True, eq=False)
class Data:
    """Data of a task: arrays by name for each split, whose first dimension are the examples.

    Attributes:
        train: what is trained on.
        dev: what the epoch is chosen on.
        test: what is evaluated once, at that epoch.
        name: what it is called in messages.
    """

    train: Mapping[str, NDArray[Any]]
    dev: Mapping[str, NDArray[Any]]
    test: Mapping[str, NDArray[Any]]
    name: str = "data"

    def __post_init__(self) -> None:
        """Check the rules.

        Raises:
            DataError: a split is empty, its arrays differ in length or are not those of train, or a number is not
                finite.
        """
        for split, arrays in self.splits.items():
            self._require(
                isinstance(arrays, Mapping), f"split {split} is a {type(arrays).__name__}, not arrays by name"
            )
            wrong = [f"'{key}' is a {type(x).__name__}" for key, x in arrays.items() if not isinstance(x, np.ndarray)]
            self._require(not wrong, f"split {split} must hold NumPy arrays, but {', '.join(wrong)}")
            lengths = {key: len(array) for key, array in arrays.items()}
            self._require(bool(lengths), f"split {split} has no arrays")
            self._require(len({*lengths.values()}) == 1, f"split {split} has arrays of several lengths: {lengths}")
            self._require(min(lengths.values()) > 0, f"split {split} is empty")
            own, others = ({key: array.shape[1:] for key, array in x.items()} for x in (arrays, self.train))
            self._require(own == others, f"split {split} has arrays {own}, but train has {others}")
            bad = [k for k, x in arrays.items() if np.issubdtype(x.dtype, np.inexact) and not np.isfinite(x).all()]
            self._require(not bad, f"split {split} has NaN or infinity in {', '.join(bad)}")

    def _require(self, holds: bool, message: str) -> None:
        if not holds:
            raise DataError(f"{self.name}: {message}.")

    @property
    def splits(self) -> dict[str, Mapping[str, NDArray[Any]]]:
        """Train, dev and test."""
        return {"train": self.train, "dev": self.dev, "test": self.test}

    @cached_property
    def digest(self) -> str:
        """Hash of all contents."""
        sha = hashlib.sha256()
        for split, arrays in self.splits.items():
            for key in sorted(arrays):
                array = np.ascontiguousarray(arrays[key])
                sha.update(f"{split} {key} {array.dtype} {array.shape}".encode())
                sha.update(array.tobytes())
        return sha.hexdigest()[:16]

    def prepared(self) -> Data:
        """As it is trained on: as the task loaded it."""
        return self


class Task(Config):
    """Settings and parts of a model of your own. Each field is a setting ``model.NAME`` and needs a default.

    Attributes:
        terms: names of the terms of the loss, each with its weight by default: the settings ``loss.weight.NAME``.
        metrics: names of what ``evaluate`` gives, and which direction is better; the first chooses the epoch, on dev,
            and is compared, on test, unless ``training.select`` and ``metric`` say otherwise.
        packable: whether ``torch.func.vmap`` takes the network and the losses: no data-dependent control flow, no
            ``.item()``. Else runs are trained one by one.
        code: files and folders, by their paths from the task's module, that results depend on besides the modules that
            it imports: what is imported by a computed name, or read.
    """

    terms: ClassVar[Mapping[str, float]]
    metrics: ClassVar[Mapping[str, Direction]] = CLASSES
    packable: ClassVar[bool] = True
    code: ClassVar[Sequence[str]] = ()

    def load(self) -> Data:
        """The data.

        Raises:
            DataError: they cannot be read.
        """
        raise NotImplementedError

    def build(self, data: Data) -> nn.Module:
        """The network; it draws its weights from torch's generator, which is set to the seed of the run."""
        raise NotImplementedError

    def batch(self, arrays: Mapping[str, Tensor], rows: Tensor) -> Any:
        """A batch of N examples: by default their rows of each array.

        Args:
            arrays: of a split, on the device.
            rows: (N,) which examples.
        """
        return {name: array[rows] for name, array in arrays.items()}

    def losses(self, network: Callable[..., Any], batch: Any) -> tuple[Mapping[str, Tensor], Tensor]:
        """All terms of the loss, each a scalar, a mean over the batch, and the outputs (N, ...) for ``evaluate``."""
        raise NotImplementedError

    def evaluate(self, output: NDArray[Any], arrays: Mapping[str, NDArray[Any]]) -> Evaluation:
        """The metrics on a split; ``model.evaluation.classification`` makes them of logits.

        Args:
            output: (N, ...) of all its examples, in order.
            arrays: of the split.
        """
        raise NotImplementedError
