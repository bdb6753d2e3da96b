"""Drives a study: the store on one side, an executor on the other."""

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from ablations.record import Kind, Plan, Tag, digest, sqlite_path
from ablations.study import Study
from runners import ledger, live, rounds, search, store
from runners.claims import Claims, new_driver
from runners.cost import Costs
from runners.executors import Executor
from runners.interruption import Grace, Interruption
from runners.ledger import Ledger
from runners.pace import Estimate, Pace
from runners.planner import RunSpec, missing_runs
from runners.progress import ProgressView
from runners.search import Trials
from runners.selection import Selection
from runners.terms import Terms

if TYPE_CHECKING:
    from runners.tracking import Tracker
    from runners.work import Work

Executing = AbstractContextManager[object]
PROBED = 20  # runs; fewer are not worth the seconds of a probe


@dataclass(frozen=True)
class Driver:
    """What a study is run with.

    Attributes:
        uri: absolute URI of the store.
        executor: where the packs run.
        console: where progress is shown.
        terms: on which runs are run.
        selection: of the runs.
        grace: what an interruption gives to what runs.
        costs: tells how long runs will take; None where that is of no interest.
    """

    uri: str
    executor: Executor
    console: Console
    terms: Terms = field(default_factory=Terms)
    selection: Selection = field(default_factory=Selection)
    grace: Grace = field(default_factory=Grace)
    costs: Costs | None = None

    def bring_up_to_date(self, study: Study, plan: Plan) -> int:
        """Keep the plan in the store and run what is missing of it; of a search, its trials before.

        Args:
            study: the resolved matrix.
            plan: what the study should hold; of a search, as long as the winner is not known.

        Returns:
            The number of runs that failed.

        Raises:
            MatrixError: the selection fits no run.
            StoreError: the store cannot be used, or another driver runs this study on it.
            ExecutorError: there is nothing to run on.
            KeyboardInterrupt: by Ctrl-C or SIGTERM.
        """
        self.selection.check(study, plan)
        interruption = Interruption(self.grace)
        path = sqlite_path(self.uri)
        alone = store.only_driver(path, plan.study) if path else contextlib.nullcontext()
        with interruption.caught(), alone, self.executor.checkpoints.in_use():
            return _Study(self, study, plan, interruption).bring_up_to_date()

    def say(self, text: str) -> None:
        """Tell the user."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Study:
    """A study that is brought up to date."""

    def __init__(self, driver: Driver, study: Study, plan: Plan, interruption: Interruption) -> None:
        self.driver, self.study, self.plan, self.interruption = driver, study, plan, interruption
        self.uri, self.executor, self.say = driver.uri, driver.executor, driver.say

    def bring_up_to_date(self) -> int:
        """As the driver's."""
        study, plan = self.study, self.plan
        if study.search is None:
            return self._bring(study, plan, self.executor)
        trials = search.read(self.uri, study, plan)
        if trials.complete:
            self.say(f"{plan.study}: all {len(trials.plan.cells)} trials of the search are in the store")
            return self._search(trials, self.executor)
        with self._started(self.executor):
            return self._search(trials, contextlib.nullcontext())

    @contextlib.contextmanager
    def _started(self, executor: Executing) -> Iterator[None]:
        """Enter the executor, or nothing, and say what is waited for."""
        if executor is self.executor and self.executor.starting:
            self.say(f"{self.executor.starting} ...")
        with executor:
            yield

    def _estimate(self, known: Ledger, runs: Sequence[RunSpec], baseline: str, kind: Kind) -> Estimate | None:
        """By past runs, or where that is worth it by a probe."""
        if self.driver.costs is None or (len(runs) < PROBED and known.seconds(kind) is None):
            return None
        found = self.driver.costs.estimate(known, runs, baseline, kind)
        return None if isinstance(found, str) else found

    def _search(self, trials: Trials, executor: Executing) -> int:
        """Run what is missing of a search, then the baseline and its winner; ``executor`` is still to be entered."""
        failed = self._trials(trials)
        trials = search.read(self.uri, self.study, self.plan)
        winner = trials.winner()
        self.say(f"{self.plan.study}: {trials.verdict()}")
        return failed + (self._bring(*search.decided(self.study, self.plan, winner), executor) if winner else 0)

    def _trials(self, trials: Trials) -> int:
        known = ledger.read(self.uri, self.plan.study)
        if trials.complete and _keeps(known, Tag.SEARCH, trials.plan):
            return 0
        with self._work(trials.plan, known, Kind.SEARCH) as work:
            failed = self._tried(work)
            work.tracker.keep(search.read(self.uri, self.study, self.plan).plan)
        return failed

    def _tried(self, work: "Work") -> int:
        """Of drivers that share a search with proposed points, one does it."""

        def read() -> Trials:
            return search.read(self.uri, self.study, self.plan)

        trials = read()
        more = trials.wanted * len(trials.plan.seeds)
        with self._view(trials.plan, ledger.read(self.uri, self.plan.study), Kind.SEARCH, more) as view:
            if trials.search.config.method == "grid" or work.leads(lambda: read().complete, view):
                work.run(read().missing, view)
                exploration = read().exploration()
                if exploration.trials:
                    work.explore(exploration, view)
        return view.failed

    def _bring(self, study: Study, plan: Plan, executor: Executing) -> int:
        known, selection = ledger.read(self.uri, plan.study), self.driver.selection
        if plan.stopping and not selection.given:
            return self._until_decided(study, plan, known, executor)
        runs = selection.runs(study, plan, known)
        if not runs and _keeps(known, Tag.PLAN, plan):
            done, planned = len(known.done() & plan.run_keys().keys()), len(plan.run_keys())
            of = f"all {planned}" if done == planned else f"{done} of {planned}"
            self.say(f"{plan.study}: {of} runs are in the store, nothing to run")
            return 0
        self.say(f"{plan.study}: {len(runs)} of {len(plan.run_keys())} runs to do")
        estimate = self._estimate(known, runs, plan.baseline, Kind.CELL)
        with self._started(executor if runs else contextlib.nullcontext()), self._work(plan, known) as work:
            if not runs:
                return 0
            with self._view(plan, known, estimate=estimate) as view:
                work.run(runs, view, lambda: missing_runs(study, plan, ()))
        return view.failed

    def _until_decided(self, study: Study, plan: Plan, known: Ledger, executor: Executing) -> int:
        """Run round by round what the undecided contrasts need; a run that fails is not tried again by this driver."""
        # How many jobs there are is known when the executor has started; that there is something to run, before.
        state, tried, failed = rounds.read(self.uri, study, plan, jobs=1), set[str](), 0
        if not state.runs and _keeps(known, Tag.PLAN, plan) and _keeps_decisions(known, state.csv()):
            self.say(f"{plan.study}: nothing to run; {state.verdict()}")
            return 0
        estimate = self._estimate(known, state.runs, plan.baseline, Kind.CELL)
        with self._started(executor if state.runs else contextlib.nullcontext()), self._work(plan, known) as work:
            with self._view(plan, known, estimate=estimate) if state.runs else contextlib.nullcontext() as view:
                jobs = self.executor.jobs if view else 1
                state = rounds.read(self.uri, study, plan, jobs)
                while view and state.runs:
                    work.run(state.runs, view, lambda: missing_runs(study, plan, ()))
                    failed = view.failed
                    tried |= {run.run_key for run in state.runs}
                    state = rounds.read(self.uri, study, plan, jobs, tried)
                    work.tracker.keep_decisions(state.csv())
                    self.say(f"{plan.study}: {state.verdict()}")
            work.tracker.keep_decisions(state.csv())
        return failed

    def _view(
        self, plan: Plan, known: Ledger, kind: Kind = Kind.CELL, more: int = 0, estimate: Estimate | None = None
    ) -> ProgressView:
        pace = Pace(self.executor.jobs, estimate or self._estimate(known, (), plan.baseline, kind))
        return ProgressView(self.driver.console, live.of_store(self.uri, plan, known, kind, more), pace)

    @contextlib.contextmanager
    def _work(self, plan: Plan, known: Ledger, kind: Kind = Kind.CELL) -> "Iterator[Work]":
        from runners.tracking import Tracker
        from runners.work import Work

        name, terms = new_driver(), self.driver.terms
        path = sqlite_path(self.uri)
        if path and not path.exists():
            self.say("creating the store ...")
        with store.refusals(self.uri):
            tracker = Tracker(self.uri, plan, self.study.text, kind, name)
        try:
            with store.failures(self.uri), contextlib.ExitStack() as stack:
                if sqlite_path(self.uri):
                    self._close_orphans(tracker, known)
                else:
                    claims = Claims(self.uri, tracker.claims_run, name, terms.patience, known)
                    stack.enter_context(claims.alive())
                    tracker.shares = claims
                yield Work(tracker, self.executor, known, terms, self.interruption)
        finally:
            with store.failures(self.uri):
                tracker.close()
            store.analyze(self.uri)

    def _close_orphans(self, tracker: "Tracker", known: Ledger) -> None:
        killed = tracker.close_orphans(known)
        if killed:
            self.say(f"{self.plan.study}: {killed} runs of a driver that died are marked killed and run again")


def _keeps(known: Ledger, tag: Tag, plan: Plan) -> bool:
    """Whether the store has just this plan."""
    return known.study_run is not None and known.study_run.tags.get(tag) == plan.digest()


def _keeps_decisions(known: Ledger, text: str) -> bool:
    return known.study_run is not None and known.study_run.tags.get(Tag.DECISIONS) == digest(text)
