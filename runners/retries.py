"""Which failures are worth another try: those of the machine, not those of the run.

A run is determined by its configuration, seed, data and code: what these raise they raise again. What may be gone the
next time is a worker that died, memory or a device that was lacking, and what the operating system refused.
"""

import builtins
import time

from ablations.record import Outcome, RunRecord

WORKER_DIED = "WorkerDied"
MEMORY_AND_DEVICE = {"MemoryError", "OutOfMemoryError", "AcceleratorError"}


def helps(record: RunRecord) -> bool:
    """Whether another try may end otherwise, by the exception that ended this one."""
    name = record.reason.partition(":")[0].rpartition(".")[2]
    error = getattr(builtins, name, None)
    system = isinstance(error, type) and issubclass(error, OSError)
    return name == WORKER_DIED or name in MEMORY_AND_DEVICE or system


def lost(run_key: str, error: str) -> RunRecord:
    """The record of a run whose worker died before it could tell."""
    return RunRecord(
        run_key=run_key,
        outcome=Outcome.FAILED,
        history=(),
        final={},
        predictions=None,
        error=error,
        started=time.time(),
        duration=0.0,
        environment={},
    )
