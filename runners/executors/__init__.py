"""Executors run packs. One interface; Ray is known to one file only."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from ablations.record import RunRecord
from ablations.search import Point, Space
from runners.checkpoints import Checkpoints
from runners.planner import Pack, RunSpec


@dataclass(frozen=True)
class Progress:
    """Epochs of a long run since the last message: ``history`` begins at epoch ``first``."""

    run_key: str
    started: float
    first: int
    history: tuple[Mapping[str, float], ...]


Message = RunRecord | Progress
Report = Callable[[RunSpec, Message], None]


@dataclass(frozen=True)
class Exploration:
    """Trials whose points are proposed one by one, from the scores of those before.

    Attributes:
        space: where the points are.
        known: points that have been tried, and their scores; larger is better.
        trials: how many to add.
        pack: the runs of a point.
        score: of the records of a point's runs.
    """

    space: Space
    known: Sequence[tuple[Point, float]]
    trials: int
    pack: Callable[[Point], Pack]
    score: Callable[[Sequence[RunRecord]], float]


class ExecutorError(RuntimeError):
    """There is nothing to run on; the message says what was tried."""


class Executor(Protocol):
    """Runs packs somewhere, as long as it is entered as a context.

    Attributes:
        checkpoints: that the trials keep.
        starting: what entering it does, in words; empty where that takes no time.
    """

    checkpoints: Checkpoints
    starting: str

    @property
    def jobs(self) -> int:
        """Packs at once."""

    @property
    def gpu(self) -> bool:
        """Whether each of them has a GPU, or a share of one."""

    def __enter__(self) -> Self:
        """Make ready.

        Raises:
            ExecutorError: the machines cannot be reached.
        """

    def __exit__(self, *error: object) -> None:
        """Give everything back."""

    def run(self, packs: Iterable[Pack], report: Report) -> None:
        """Run all packs; ``report`` gets, in the calling thread, each run's record exactly once.

        A pack is asked for when there is room for it, in any thread.
        """

    def explore(self, exploration: Exploration, report: Report) -> None:
        """Propose points and run their packs; ``report`` as with ``run``."""

    def stop(self) -> None:
        """Propose no more points."""

    def hurry(self) -> None:
        """Ask what runs to keep a checkpoint and end; what does so has no record."""
