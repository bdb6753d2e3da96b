"""What the configurations of runs have in common, whatever is trained."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from model.base import Config
from model.optimiser import AdamW, Optimiser
from model.schedule import Constant, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.weighting import Weighting

Precision = Literal["fp32", "fp64", "tf32", "bf16"]
Direction = Literal["max", "min"]
Switches = dict[str, dict[str, Any]]  # of each part, the dotted settings that switch it off


class Optimisation(Config):
    """Steps over the training split.

    The gradients of the terms are measured at the first step of each epoch and every ``monitor_every`` steps after it;
    that changes no result. With the ``precision`` fp64, runs trained in packs and alone give the same predictions; tf32
    and bf16 are faster on GPUs that have them: see ``model.precision``.

    A subclass adds ``select``, the metric by which the epoch is chosen on dev.
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

    @property
    def drops_last(self) -> bool:
        """Whether the last batch of an epoch is left out where it is smaller than the others."""
        return False

    if TYPE_CHECKING:

        @property
        def select(self) -> str:
            """One of the metrics."""


class Weighted(Protocol):
    """How the terms of a loss are put together."""

    @property
    def normalisation(self) -> Literal["none", "log", "minmax"]:
        """Of the terms."""

    @property
    def weighting(self) -> Weighting:
        """The strategy."""


class Loaded(Protocol):
    """Data in memory."""

    @property
    def name(self) -> str:
        """What they are called in messages."""

    @property
    def digest(self) -> str:
        """Hash of all contents: equal ones give the same results."""

    def prepared(self) -> Self:
        """As they are trained on."""


class Source(Hashable, Protocol):
    """Where data come from."""

    def load(self) -> Any:
        """The data, which are ``Loaded``.

        Raises:
            DataError: they cannot be read or break a rule.
        """

    def identity(self) -> dict[str, Any]:
        """What identifies them, with a ``kind``."""


class Configuration(Config):
    """The complete configuration of a run: everything that can change a result except the seed.

    Attributes:
        task: ``package.module:Class`` of a model of the user's own; empty of the one that comes with the project.
        model: settings of the network, of a task all that is its own.
        loss: settings of the terms, ``Weighted``.
        training: steps, and how the epoch is chosen.
    """

    if TYPE_CHECKING:

        @property
        def task(self) -> str:
            """As above."""

        @property
        def model(self) -> Any:
            """As above."""

        @property
        def loss(self) -> Any:
            """As above."""

        @property
        def training(self) -> Optimisation:
            """As above."""

    @property
    def source(self) -> Source:
        """Where its data come from."""
        raise NotImplementedError

    @classmethod
    def metrics(cls) -> Mapping[str, Direction]:
        """Names of the metrics that a study may compare, and which direction is better; the first is the default."""
        raise NotImplementedError

    def check(self, data: Any, metrics: Mapping[str, str]) -> None:
        """Refuse settings that do not fit the data.

        Args:
            data: that the source loads.
            metrics: that the study uses, each by the key of the matrix that names it.

        Raises:
            DataError: with the setting, the rule and what else there is.
        """
        raise NotImplementedError

    def label_names(self, data: Any) -> tuple[str, ...]:
        """Names of the classes that metrics are called after."""
        raise NotImplementedError

    def pack_key(self) -> str:
        """Equal for configurations that may be trained as one batched computation: all but numbers in the loss."""
        raise NotImplementedError

    def small_steps(self) -> bool:
        """Whether a step costs mostly what it costs whatever its size, so that packs pay on a core, too."""
        return True

    def inert(self) -> tuple[str, ...]:
        """Settings that the chosen kinds leave without effect."""
        return ()

    def switches(self) -> Switches:
        """The parts that an ablation can remove, and how."""
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """The configuration as it enters a cell's identity: complete, defaults included, resources excluded."""
        raise NotImplementedError
