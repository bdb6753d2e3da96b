"""Where the command line says that runs are to be executed."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.problems import MatrixError
from runners import checkpoints, machine
from runners.checkpoints import SECONDS

if TYPE_CHECKING:
    from runners.executors import Executor
    from runners.planner import Inputs, Slots


class ExecutorName(StrEnum):
    """Where runs are executed."""

    RAY = "ray"
    INPROCESS = "inprocess"


@dataclass(frozen=True)
class Placement:
    """Options of the command line.

    Attributes:
        name: of the executor.
        jobs: trials at once; None for as many as there is room for.
        address: of a Ray cluster; None for this machine.
        gpus_per_trial: share of a GPU that a trial asks for where there is one.
        pack: ``auto``, ``off`` or a number of runs.
        checkpoints: folder of the checkpoints; None for beside an SQLite store.
        checkpoint_every: seconds; 0 for no checkpoints.
    """

    name: ExecutorName
    jobs: int | None
    address: str | None
    gpus_per_trial: float
    pack: str
    checkpoints: Path | None = None
    checkpoint_every: float = SECONDS

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            MatrixError: with the options named.
        """
        if self.name is ExecutorName.INPROCESS and (self.jobs or self.address):
            raise MatrixError(
                "--executor inprocess runs one trial at a time: --jobs and --address go with --executor ray"
            )
        if self.pack not in ("auto", "off") and not (self.pack.isdecimal() and len(self.pack) < 10 and int(self.pack)):
            raise MatrixError(f"--pack {self.pack}: write auto, off, or a number of runs (16)")
        if not math.isfinite(self.gpus_per_trial):
            raise MatrixError(f"--gpus-per-trial {self.gpus_per_trial}: write the share of a GPU, such as 0.25 or 1")
        if not math.isfinite(self.checkpoint_every):
            raise MatrixError(f"--checkpoint-every {self.checkpoint_every}: write seconds, or 0 for no checkpoints")

    @property
    def largest(self) -> int | None:
        """Most runs of a pack; None for what is worth it."""
        return {"auto": None, "off": 1}[self.pack] if self.pack in ("auto", "off") else int(self.pack)

    def executor(self, uri: str, study: str, inputs: "Inputs") -> "Executor":
        """For a study on a store, ready to be entered; ``inputs`` are what a cluster needs."""
        # On a cluster, what is beside the store is out of reach for most trials.
        kept = checkpoints.beside(uri, study, self.checkpoints, self.checkpoint_every, self.address is None)
        if self.name is ExecutorName.INPROCESS:
            from runners.executors.inprocess import InProcess

            return InProcess(kept)
        from runners.executors.ray_tune import RayTune

        jobs = self.jobs or (None if self.address else machine.cores())
        return RayTune(jobs, self.address, self.gpus_per_trial, kept, inputs)

    def slots(self) -> "Slots":
        """Of this machine, for a dry run; those of a cluster are known when it is joined."""
        from runners.planner import Slots

        gpus = machine.gpus() if self.gpus_per_trial else 0
        if self.name is ExecutorName.INPROCESS:
            return Slots(1, gpus > 0, self.largest)
        room = self.jobs or machine.cores()
        shares = int(gpus / self.gpus_per_trial) if gpus else room
        share = min(1.0, self.gpus_per_trial) if gpus else 1.0
        return Slots(max(1, min(room, shares)), gpus > 0, self.largest, share)
