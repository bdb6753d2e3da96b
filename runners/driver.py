"""Drives a study: the store on one side, an executor on the other."""

import contextlib
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from ablations.record import Kind, Plan, RunRecord, Tag, sqlite_path
from ablations.study import Study
from runners import ledger, store
from runners.executors import Executor, Message
from runners.ledger import Ledger
from runners.planner import RunSpec, make_packs, missing_runs
from runners.progress import ProgressView

if TYPE_CHECKING:
    from runners.tracking import Tracker


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put off Ctrl-C to the end of the block: a record that has arrived is written whole."""
    pending: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pending.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt


@dataclass(frozen=True)
class Driver:
    """What a study is run with.

    Attributes:
        uri: absolute URI of the store.
        executor: where the packs run.
        console: where progress is shown.
    """

    uri: str
    executor: Executor
    console: Console

    def bring_up_to_date(self, study: Study, plan: Plan) -> int:
        """Keep the plan in the store and run what is missing of it.

        Args:
            study: the resolved matrix.
            plan: what the study should hold.

        Returns:
            The number of runs that failed.

        Raises:
            StoreError: the store cannot be used, or another driver runs this study on it.
            ExecutorError: there is nothing to run on.
        """
        with self._only_driver(plan.study):
            known = ledger.read(self.uri, plan.study)
            runs = missing_runs(study, plan, known.done())
            if not runs and plan.digest() in {run.tags.get(Tag.PLAN) for run in known.of(Kind.STUDY)}:
                self._say(f"{plan.study}: all {len(plan.run_keys())} runs are in the store, nothing to run")
                return 0
            with self.executor if runs else contextlib.nullcontext():
                tracker = self._tracker(plan, study.text, known)
                try:
                    return self._execute(tracker, runs)
                finally:
                    tracker.close()
                    store.analyze(self.uri)

    def _tracker(self, plan: Plan, text: str, known: Ledger) -> "Tracker":
        from runners.tracking import Tracker

        with store.refusals(self.uri):
            tracker = Tracker(self.uri, plan, text)
        # On a server another driver may be alive: only the lock beside an SQLite file tells.
        killed = tracker.close_orphans(known) if sqlite_path(self.uri) else 0
        if killed:
            self._say(f"{plan.study}: {killed} runs of a driver that died are marked killed and run again")
        return tracker

    def _execute(self, tracker: "Tracker", runs: Sequence[RunSpec]) -> int:
        if not runs:
            return 0
        spec_of = {run.run_key: run for run in runs}
        with ProgressView(self.console, len(runs), self.executor.jobs) as view:

            def report(message: Message) -> None:
                spec = spec_of[message.run_key]
                with _uninterrupted():
                    tracker.write(spec, message)
                if isinstance(message, RunRecord):
                    view.ended(spec.name, message)

            self.executor.run(make_packs(runs), report)
        return view.failed

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def _only_driver(self, study: str) -> Iterator[None]:
        """Hold the study's lock beside an SQLite store; the kernel frees it when the process dies."""
        path = sqlite_path(self.uri)
        if path is None:
            yield
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{path}.{study}.lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise store.StoreError(
                f"another driver is running the study '{study}' on {path}; wait for it or stop it"
            ) from error
        except OSError as error:
            raise store.StoreError(
                f"the store {path} cannot be written: {error}; choose another with --tracking-uri"
            ) from error
        try:
            yield
        finally:
            lock.release()
