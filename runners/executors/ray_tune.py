"""Runs packs as trials of Ray Tune, on this machine or on a cluster. The only file that imports Ray."""

import contextlib
import io
import os
import queue
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

from ablations.record import Outcome, RunRecord
from runners.executors import ExecutorError, Message
from runners.planner import Pack

# Before the import: Ray reads them then. Nothing phones home; the ledger is MLflow, so Tune need not write logs of
# its own, nor its state more than once an hour.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "3600"
# When the study is interrupted, what is left of Tune's thread must not start a second Ray.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
os.environ["TUNE_DISABLE_AUTO_INIT"] = "1"
# A trial that asks for no GPU sees none.
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"

import ray
from ray import tune
from ray.tune.callback import Callback
from ray.tune.experiment import Trial

MESSAGE = "message"
REACH_SECONDS = 5.0


class RayTune:
    """Each pack is one trial; worker processes stay warm from one trial to the next."""

    def __init__(self, jobs: int | None, address: str | None, gpus_per_trial: float) -> None:
        """Configure.

        Args:
            jobs: trials at once; None for as many as the machine or cluster has room for.
            address: of a running cluster; None starts Ray on this machine for the time of the study.
            gpus_per_trial: share of a GPU that a trial asks for where there is one.
        """
        self.limit, self.address, self.gpus_per_trial = jobs, address, gpus_per_trial

    @property
    def jobs(self) -> int:
        """Trials at once."""
        return self.limit or int(ray.cluster_resources().get("CPU", 1))

    def __enter__(self) -> Self:
        """Start Ray on this machine, or join the cluster.

        Raises:
            ExecutorError: it cannot be started or reached.
        """
        if self.address:
            _require_reachable(self.address)
        cpus = None if self.address else self.limit
        try:
            # "local": a cluster that RAY_ADDRESS or the last `ray start` names is joined only when asked for.
            ray.init(
                self.address or "local", num_cpus=cpus, include_dashboard=None if self.address else False,
                log_to_driver=False, logging_level="ERROR",
            )  # fmt: skip
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ExecutorError(
                f"Ray cannot be started or joined ({self.address or 'this machine'}): {error}"
            ) from error
        return self

    def __exit__(self, *error: object) -> None:
        """Leave or stop Ray."""
        ray.shutdown()

    def run(self, packs: Sequence[Pack], report: Callable[[Message], None]) -> None:
        """Run all packs."""
        # Tune prints a banner even where it is told to be silent.
        silent = contextlib.redirect_stdout(io.StringIO())
        with tempfile.TemporaryDirectory(prefix="ablate-") as folder, silent:
            self._tune(packs, report, folder)

    def _tune(self, packs: Sequence[Pack], report: Callable[[Message], None], folder: str) -> None:
        inbox = _Inbox(packs)
        gpus = self.gpus_per_trial if ray.cluster_resources().get("GPU", 0) else 0
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(_trial, packs=list(packs)), {"cpu": 1, "gpu": gpus}),
            param_space={"pack": tune.grid_search(list(range(len(packs))))},
            tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=self.limit),
            run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[inbox]),
        )
        # Tune has a thread of its own, so that it schedules the next trials while this one writes the last results.
        thread = threading.Thread(target=inbox.until_done, args=(tuner.fit,), daemon=True)
        thread.start()
        while (message := inbox.messages.get()) is not None:
            report(message)
        thread.join()
        if inbox.crash:
            raise inbox.crash


def _trial(config: dict[str, Any], packs: list[Pack]) -> None:
    from runners.trial import run_pack

    def report(message: Message) -> None:
        tune.report({MESSAGE: message})

    run_pack(packs[config["pack"]], report)


def _require_reachable(address: str) -> None:
    """Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        except OSError as error:
            raise ExecutorError(f"no Ray cluster answers at --address {address}: {error}") from error


class _Inbox(Callback):
    """Takes the messages out of Tune's results, in which they would be kept and written to disk."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = packs
        self.messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self.reported: set[str] = set()
        self.crash: BaseException | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles callbacks for a restore of its own, which is not used here; a queue cannot be pickled."""
        return {}

    def until_done(self, work: Callable[[], object]) -> None:
        """Do the work; the end of the messages is None."""
        try:
            work()
        except BaseException as error:  # handed to the thread that waits
            self.crash = error
        finally:
            self.messages.put(None)

    def on_trial_result(self, *, result: dict[str, Any], **_: object) -> None:
        """Pass a message on."""
        message = result.pop(MESSAGE)
        if isinstance(message, RunRecord):
            self.reported.add(message.run_key)
        self.messages.put(message)

    def on_trial_error(self, *, trial: Trial, **_: object) -> None:
        """A worker died: every run of its pack that has not reported is failed."""
        for spec in self.packs[trial.config["pack"]].runs:
            if spec.run_key not in self.reported:
                self.messages.put(_lost(spec.run_key, str(trial.get_pickled_error() or "the worker process died")))


def _lost(run_key: str, error: str) -> RunRecord:
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
