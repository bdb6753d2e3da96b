"""Runs packs as trials of Ray Tune, on this machine or on a cluster. The only file that imports Ray."""

import contextlib
import functools
import io
import os
import queue
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ablations.record import RunRecord
from runners.checkpoints import OFF, Checkpoints, Interrupted
from runners.executors import ExecutorError, Exploration, Message, Report, bayes
from runners.executors.ray_folder import session_folder
from runners.executors.reachable import require_reachable
from runners.planner import Inputs, Pack, RunSpec
from runners.retries import WORKER_DIED, lost

# Before the import: Ray reads them then. Nothing phones home; the ledger is MLflow, so Tune need not write logs of
# its own, nor its state more than once an hour.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "3600"
# When the study is interrupted, what is left of Tune's thread must not start a second Ray.
os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
os.environ["TUNE_DISABLE_AUTO_INIT"] = "1"
# A trial has the working directory of the driver, so that relative paths in a task mean the same.
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
# A trial that asks for no GPU sees none.
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"

import ray
from ray import tune
from ray.exceptions import RayActorError
from ray.tune.callback import Callback
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

if TYPE_CHECKING:
    from model.configuration import Loaded, Source

MESSAGE, SCORE, PACK = "message", "score", "pack"
THREAD_SECONDS = 10.0
ROOT = Path(__file__).parents[2]
SHIPPED = tuple(ROOT / name for name in ("ablations", "model", "runners"))
NONE = Inputs()


class RayTune:
    """Each pack is one trial; worker processes stay warm from one trial to the next."""

    def __init__(
        self,
        jobs: int | None,
        address: str | None,
        gpus_per_trial: float,
        checkpoints: Checkpoints = OFF,
        inputs: Inputs = NONE,
    ) -> None:
        """Configure.

        Args:
            jobs: trials at once; None for as many as the machine or cluster has room for.
            address: of a running cluster; None starts Ray on this machine for the time of the study.
            gpus_per_trial: share of a GPU that a trial asks for where there is one.
            checkpoints: that the trials keep.
            inputs: that a cluster gets from this machine.
        """
        self.inputs = inputs
        self.starting = f"joining the cluster {address}" if address else "starting Ray on this machine"
        self.shared: dict[str, Any] = {}
        self.checkpoints = checkpoints
        self.limit, self.address, self.gpus_per_trial = jobs, address, gpus_per_trial
        self.rest = contextlib.ExitStack()
        self.points: _Points | None = None
        self.thread: threading.Thread | None = None

    @property
    def jobs(self) -> int:
        """Trials at once: as many as there are cores and shares of GPUs, and no more than the limit."""
        resources = ray.cluster_resources()
        room = self.limit or int(resources.get("CPU", 1))
        return max(1, min(room, int(resources["GPU"] / self.gpus_per_trial))) if self.gpu else room

    @property
    def gpu(self) -> bool:
        """Whether trials ask for GPUs and there are any."""
        return self.gpus_per_trial > 0 and ray.cluster_resources().get("GPU", 0) > 0

    def __enter__(self) -> Self:
        """Start Ray on this machine, or join the cluster.

        Raises:
            ExecutorError: it cannot be started or reached.
        """
        if self.address:
            require_reachable(self.address)
        cpus = None if self.address else self.limit
        folder = None if self.address else self.rest.enter_context(session_folder())
        try:
            # "local": a cluster that RAY_ADDRESS or the last `ray start` names is joined only when asked for.
            ray.init(
                self.address or "local", num_cpus=cpus, include_dashboard=None if self.address else False,
                log_to_driver=False, logging_level="ERROR", _temp_dir=folder,
                # A cluster runs the code that is here, whatever is installed there.
                runtime_env={"py_modules": list(map(str, (*SHIPPED, *self.inputs.code)))} if self.address else None,
            )  # fmt: skip
            self.shared = {key: ray.put(file.load()) for key, file in self.inputs.files.items()} if self.address else {}
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ExecutorError(
                f"Ray cannot be started or joined ({self.address or 'this machine'}): {error}"
            ) from error
        return self

    def __exit__(self, *error: object) -> None:
        """Leave or stop Ray."""
        ray.shutdown()
        if self.thread:
            # Of a study that was interrupted; it must not be in Ray's code when the interpreter ends.
            self.thread.join(THREAD_SECONDS)
        self.rest.close()

    def stop(self) -> None:
        """Propose no more points."""
        if self.points:
            self.points.over = True

    def hurry(self) -> None:
        """Trials that keep checkpoints look for the request."""
        self.checkpoints.request_stop()

    def run(self, packs: Iterable[Pack], report: Report) -> None:
        """Run all packs."""
        kind = _Kind(lambda config: config[PACK].pack, lambda _: 0.0)
        self._tune(kind, _Queue(packs), -1, report)

    def explore(self, exploration: Exploration, report: Report) -> None:
        """Propose points and run their packs, as many at once as there are jobs."""
        space = exploration.space
        self.points = _Points(
            bayes.distributions(space), metric=SCORE, mode="max", sampler=bayes.sampler(len(exploration.known)),
            points_to_evaluate=[bayes.encode(space, point) for point, _ in exploration.known],
            evaluated_rewards=[score for _, score in exploration.known],
        )  # fmt: skip
        kind = _Kind(lambda config: exploration.pack(bayes.decode(space, config)), exploration.score)
        self._tune(kind, self.points, exploration.trials, report)

    def _tune(self, kind: "_Kind", search: Searcher, trials: int, report: Report) -> None:
        """Run trials as the search suggests them: the next one when there is room for it."""
        inbox = _Inbox(kind.pack)
        gpus = self.gpus_per_trial if self.gpu else 0
        share = min(1.0, gpus) if gpus else 1 / self.jobs
        trainable = tune.with_parameters(
            _trial, kind=kind, share=share, checkpoints=self.checkpoints, shared=self.shared
        )
        # Tune prints a banner even where it is told to be silent.
        silent = contextlib.redirect_stdout(io.StringIO())
        with tempfile.TemporaryDirectory(prefix="ablate-") as folder, silent:
            tuner = tune.Tuner(
                tune.with_resources(trainable, {"cpu": 1, "gpu": gpus}),
                tune_config=tune.TuneConfig(
                    search_alg=search, num_samples=trials, reuse_actors=True, max_concurrent_trials=self.jobs
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[inbox]),
            )
            # Tune has a thread of its own, so that it schedules the next trials while this one writes the last results.
            self.thread = threading.Thread(target=inbox.until_done, args=(tuner.fit,), daemon=True)
            self.thread.start()
            while (arrived := inbox.messages.get()) is not None:
                report(*arrived)
            self.thread.join()
        if inbox.crash:
            raise inbox.crash


@dataclass(frozen=True)
class _Kind:
    """What trials are: the pack of a trial's configuration, and the score of the records so far."""

    pack: Callable[[dict[str, Any]], Pack]
    score: Callable[[Sequence[RunRecord]], float]


@dataclass(frozen=True)
class _Sealed:
    """A pack as a setting, which Tune writes into names."""

    pack: Pack

    def __repr__(self) -> str:
        return f"{len(self.pack.runs)} runs"


class _Queue(Searcher):
    """Suggests the next pack."""

    def __init__(self, packs: Iterable[Pack]) -> None:
        super().__init__()
        self.packs = iter(packs)

    def __getstate__(self) -> dict[str, Any]:
        """As with the inbox: there is no restore by Tune, and a generator cannot be pickled."""
        return {}

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing."""

    def suggest(self, trial_id: str) -> dict[str, Any] | str:  # noqa: ARG002
        """Tune asks when one more trial may run."""
        pack = next(self.packs, None)
        return {PACK: _Sealed(pack)} if pack else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """What comes next does not depend on it."""


class _Points(OptunaSearch):
    """Suggests points until the end is asked for."""

    over = False

    def suggest(self, trial_id: str) -> Any:
        """The next point."""
        return Searcher.FINISHED if self.over else super().suggest(trial_id)


@functools.lru_cache(maxsize=2)
def _fetch(reference: Any, digest: str) -> "Loaded":
    """Data from the cluster's memory, once for each process."""
    from runners.trial import checked

    return checked(ray.get(reference), digest)


def _trial(
    config: dict[str, Any], kind: _Kind, share: float, checkpoints: Checkpoints, shared: Mapping[str, Any]
) -> None:
    from runners import trial

    records: list[RunRecord] = []

    def report(message: Message) -> None:
        if isinstance(message, RunRecord):
            records.append(message)
        tune.report({MESSAGE: message, SCORE: kind.score(records)})

    def load(source: "Source", digest: str) -> "Loaded":
        return _fetch(shared[digest], digest) if digest in shared else trial.load(source, digest)

    with contextlib.suppress(Interrupted):
        trial.run_pack(kind.pack(config), share, report, checkpoints, load)


class _Inbox(Callback):
    """Takes the messages out of Tune's results, in which they would be kept and written to disk."""

    def __init__(self, pack: Callable[[dict[str, Any]], Pack]) -> None:
        self.pack = pack
        self.messages: queue.SimpleQueue[tuple[RunSpec, Message] | None] = queue.SimpleQueue()
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

    def on_trial_result(self, *, trial: Trial, result: dict[str, Any], **_: object) -> None:
        """Pass a message on."""
        message = result.pop(MESSAGE)
        if isinstance(message, RunRecord):
            self.reported.add(message.run_key)
        self.messages.put((self.pack(trial.config).run(message.run_key), message))

    def on_trial_error(self, *, trial: Trial, **_: object) -> None:
        """A worker died: every run of its pack that has not reported is failed."""
        error = trial.get_pickled_error()
        died = f"\n{WORKER_DIED}: the worker process died" if isinstance(error, RayActorError | None) else ""
        for spec in self.pack(trial.config).runs:
            if spec.run_key not in self.reported:
                self.messages.put((spec, lost(spec.run_key, f"{error or ''}{died}")))
