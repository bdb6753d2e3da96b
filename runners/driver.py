"""Drives a study: the store on one side, an executor on the other."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from ablations.record import Kind, Plan, RunRecord, Tag, sqlite_path
from runners import ledger, store
from runners.executors import Executor, Message
from runners.planner import RunSpec, make_packs
from runners.progress import ProgressView

if TYPE_CHECKING:
    from runners.tracking import Tracker


@dataclass(frozen=True)
class Driver:
    """What a study is run with.

    Attributes:
        uri: absolute URI of the store.
        executor: where the packs run.
        jobs: how many run at once, for the display.
        console: where progress is shown.
    """

    uri: str
    executor: Executor
    jobs: int
    console: Console

    def bring_up_to_date(self, plan: Plan, text: str, runs: Sequence[RunSpec]) -> int:
        """Keep the plan in the store and run what is missing of it.

        Args:
            plan: what the study should hold.
            text: the matrix file.
            runs: what is missing.

        Returns:
            The number of runs that failed.

        Raises:
            StoreError: the store cannot be used, or another driver runs this study on it.
        """
        with self._only_driver(plan.study):
            known = ledger.read(self.uri, plan.study)
            if not runs and plan.digest() in {run.tags.get(Tag.PLAN) for run in known.of(Kind.STUDY)}:
                self._say(f"{plan.study}: all {len(plan.run_keys())} runs are in the store, nothing to run")
                return 0
            from runners.tracking import Tracker

            tracker = Tracker(self.uri, plan, text)
            killed = tracker.close_orphans(known)
            if killed:
                self._say(f"{plan.study}: {killed} runs of a driver that died are marked killed and run again")
            try:
                return self._execute(tracker, runs)
            finally:
                tracker.close()
                store.analyze(self.uri)

    def _execute(self, tracker: "Tracker", runs: Sequence[RunSpec]) -> int:
        spec_of = {run.run_key: run for run in runs}
        with ProgressView(self.console, len(runs), self.jobs) as view:

            def report(message: Message) -> None:
                spec = spec_of[message.run_key]
                tracker.write(spec, message)
                if isinstance(message, RunRecord):
                    view.ended(spec.name, message)

            if runs:
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
