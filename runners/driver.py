"""Drives a study: the store on one side, an executor on the other."""

import contextlib
import functools
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from ablations.record import Kind, Plan, RunRecord, Tag, digest, sqlite_path
from ablations.study import Study
from runners import ledger, rounds, search, store
from runners.executors import Executor, Message, Report
from runners.ledger import Ledger
from runners.planner import RunSpec, Slots, make_packs, missing_runs
from runners.progress import ProgressView
from runners.search import Trials

if TYPE_CHECKING:
    from runners.tracking import Tracker

Executing = AbstractContextManager[object]


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
        largest: most runs of a pack; None for what is worth it.
    """

    uri: str
    executor: Executor
    console: Console
    largest: int | None = None

    def bring_up_to_date(self, study: Study, plan: Plan) -> int:
        """Keep the plan in the store and run what is missing of it; of a search, its trials before.

        Args:
            study: the resolved matrix.
            plan: what the study should hold; of a search, as long as the winner is not known.

        Returns:
            The number of runs that failed.

        Raises:
            StoreError: the store cannot be used, or another driver runs this study on it.
            ExecutorError: there is nothing to run on.
        """
        with self._only_driver(plan.study), self._tidy():
            if study.search is None:
                return self._bring(study, plan, self.executor)
            trials = search.read(self.uri, study, plan)
            if trials.complete:
                self._say(f"{plan.study}: all {len(trials.plan.cells)} trials of the search are in the store")
                return self._search(study, plan, trials, self.executor)
            with self.executor:
                return self._search(study, plan, trials, contextlib.nullcontext())

    def _search(self, study: Study, plan: Plan, trials: Trials, executor: Executing) -> int:
        """Run what is missing of a search, then the baseline and its winner; ``executor`` is still to be entered."""
        failed = self._trials(study, plan, trials)
        trials = search.read(self.uri, study, plan)
        winner = trials.winner()
        self._say(f"{plan.study}: {trials.verdict()}")
        return failed + (self._bring(*search.decided(study, plan, winner), executor) if winner else 0)

    def _trials(self, study: Study, plan: Plan, trials: Trials) -> int:
        known = ledger.read(self.uri, plan.study)
        if trials.complete and _keeps(known, Tag.SEARCH, trials.plan):
            return 0
        with self._tracker(trials.plan, study.text, known, Kind.SEARCH) as tracker:
            failed = self._execute(tracker, trials.missing)
            exploration = search.read(self.uri, study, plan).exploration()
            if exploration.trials:
                total = exploration.trials * len(trials.plan.seeds)
                run = functools.partial(self.executor.explore, exploration)
                failed += self._watch(tracker, total, run)
            tracker.keep(search.read(self.uri, study, plan).plan)
        return failed

    def _bring(self, study: Study, plan: Plan, executor: Executing) -> int:
        known = ledger.read(self.uri, plan.study)
        if plan.stopping:
            return self._until_decided(study, plan, known, executor)
        runs = missing_runs(study, plan, known.done())
        if not runs and _keeps(known, Tag.PLAN, plan):
            self._say(f"{plan.study}: all {len(plan.run_keys())} runs are in the store, nothing to run")
            return 0
        with executor if runs else contextlib.nullcontext(), self._tracker(plan, study.text, known) as tracker:
            return self._execute(tracker, runs)

    def _until_decided(self, study: Study, plan: Plan, known: Ledger, executor: Executing) -> int:
        """Run round by round what the undecided contrasts need; a run that fails is not tried again by this driver."""
        jobs = self.executor.jobs
        state, tried, failed = rounds.read(self.uri, study, plan, jobs), set[str](), 0
        if not state.runs and _keeps(known, Tag.PLAN, plan) and _keeps_decisions(known, state.csv()):
            self._say(f"{plan.study}: nothing to run; {state.verdict()}")
            return 0
        with executor if state.runs else contextlib.nullcontext(), self._tracker(plan, study.text, known) as tracker:
            while state.runs:
                failed += self._execute(tracker, state.runs)
                tried |= {run.run_key for run in state.runs}
                state = rounds.read(self.uri, study, plan, jobs, tried)
                tracker.keep_decisions(state.csv())
                self._say(f"{plan.study}: {state.verdict()}")
            tracker.keep_decisions(state.csv())
        return failed

    @contextlib.contextmanager
    def _tracker(self, plan: Plan, text: str, known: Ledger, kind: Kind = Kind.CELL) -> "Iterator[Tracker]":
        from runners.tracking import Tracker

        with store.refusals(self.uri):
            tracker = Tracker(self.uri, plan, text, kind)
        try:
            # On a server another driver may be alive: only the lock beside an SQLite file tells.
            killed = tracker.close_orphans(known) if sqlite_path(self.uri) else 0
            if killed:
                self._say(f"{plan.study}: {killed} runs of a driver that died are marked killed and run again")
            yield tracker
        finally:
            tracker.close()
            store.analyze(self.uri)

    def _execute(self, tracker: "Tracker", runs: Sequence[RunSpec]) -> int:
        if not runs:
            return 0
        begun = self.executor.checkpoints.groups({run.run_key for run in runs})
        if begun:
            self._say(f"{tracker.plan.study}: {len(set().union(*begun))} runs go on from checkpoints")
        packs = make_packs(runs, Slots(self.executor.jobs, self.executor.gpu, self.largest), begun)
        return self._watch(tracker, len(runs), functools.partial(self.executor.run, packs))

    def _watch(self, tracker: "Tracker", total: int, run: Callable[[Report], None]) -> int:
        """Write and show what is reported; returns the number of runs that failed."""
        with ProgressView(self.console, total, self.executor.jobs) as view:

            def report(spec: RunSpec, message: Message) -> None:
                with _uninterrupted():
                    tracker.write(spec, message)
                if isinstance(message, RunRecord):
                    view.ended(spec.name, message)
                    self.executor.checkpoints.drop(spec.run_key)

            run(report)
        if self.executor.checkpoints.stop_requested():
            raise KeyboardInterrupt
        return view.failed

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextlib.contextmanager
    def _tidy(self) -> Iterator[None]:
        """The folder of the checkpoints, before and after."""
        self.executor.checkpoints.tidy()
        try:
            yield
        finally:
            self.executor.checkpoints.withdraw_stop()

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


def _keeps(known: Ledger, tag: Tag, plan: Plan) -> bool:
    """Whether the store has just this plan."""
    return plan.digest() in {run.tags.get(tag) for run in known.of(Kind.STUDY)}


def _keeps_decisions(known: Ledger, text: str) -> bool:
    return digest(text) in {run.tags.get(Tag.DECISIONS) for run in known.of(Kind.STUDY)}
