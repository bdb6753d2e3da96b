"""Has the runs of a tracker run: what other drivers have is left to them, and what the machine broke is tried again."""

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ablations.record import Kind, Outcome, RunRecord, Tag
from runners import retries
from runners.attempt import Attempt
from runners.claims import LEAD
from runners.executors import Executor, Exploration, Message, Report
from runners.interruption import Interruption
from runners.ledger import Ledger
from runners.planner import Pack, RunSpec, Slots, make_packs
from runners.progress import ProgressView
from runners.terms import Terms
from runners.tracking import Tracker

LOST = "this driver was suspended, and another has taken the run over"


@dataclass(frozen=True)
class _Begun:
    """What an interruption stops."""

    view: ProgressView
    running: Callable[[], int]
    executor: Executor

    def say(self, text: str) -> None:
        """Tell the user."""
        self.view.say(text)

    def stop(self) -> None:
        """Let nothing begin any more."""
        self.executor.stop()

    def hurry(self) -> None:
        """Ask the trials to end early."""
        self.executor.hurry()


class Work:
    """Runs of one kind, on an executor that has been entered."""

    def __init__(
        self, tracker: Tracker, executor: Executor, known: Ledger, terms: Terms, interruption: Interruption
    ) -> None:
        """Nothing is run yet.

        Args:
            tracker: that keeps the runs.
            executor: where they run.
            known: what the store held before.
            terms: of the work.
            interruption: that may end it.
        """
        self.tracker, self.executor, self.terms, self.interruption = tracker, executor, terms, interruption
        self.former: dict[str, list[str]] = {}
        for run in known.complete(tracker.kind):
            self.former.setdefault(run.tags[Tag.RUN_KEY], []).append(run.run_id)
        self.tries: Counter[str] = Counter()
        self.begun: set[str] = set()
        self.together: dict[str, tuple[str, ...]] = {}
        self.left: dict[str, RunSpec] = {}
        self.ended: dict[str, RunSpec] = {}
        self.companions: set[str] = set()

    def run(self, runs: Sequence[RunSpec], view: ProgressView, done: Callable[[], Sequence[RunSpec]] = list) -> None:
        """Run these, and wait for those that other drivers run.

        Args:
            runs: of which none has been finished.
            view: counts what comes of them.
            done: runs of the plan, among them those that have been finished.

        Raises:
            StoreError: the store cannot be used.
            KeyboardInterrupt: it was interrupted.
        """
        save = self.terms.save_model and self.tracker.kind is Kind.CELL
        self.left = {run.run_key: replace(run, save_model=save) for run in runs}
        view.wants(runs)
        if any(not set(group) <= self.left.keys() for group in self.executor.checkpoints.division()):
            self.ended |= {run.run_key: run for run in done() if run.run_key in self.former.keys() - self.left.keys()}
        with self._interruptible(view, lambda: len(self.begun)):
            while self.left and not self.interruption.stopping:
                packs = self._packs(view)
                first = next(packs, None)
                if first:
                    self.executor.run(itertools.chain([first], packs), self._reporter(view))
                elif self.left and not self._others(view):
                    view.waits(f"waiting for {len(self.left)} runs of other drivers")
                    time.sleep(self.terms.patience.poll)
        if not self.left:
            self.executor.checkpoints.divide(())

    def explore(self, exploration: Exploration, view: ProgressView) -> None:
        """Run the trials of a search that are still to begin; errors as with ``run``."""
        with self._interruptible(view, lambda: min(self.executor.jobs, view.state.total - view.state.done)):
            self.executor.explore(exploration, self._reporter(view))

    def leads(self, over: Callable[[], bool], view: ProgressView) -> bool:
        """Wait until this is the driver that proposes points; False if ``over`` became true meanwhile."""
        while not self.tracker.shares.take([LEAD]).runs:
            view.waits("waiting for the driver that does the search")
            time.sleep(self.terms.patience.poll)
            if over():
                return False
        return True

    @contextlib.contextmanager
    def _interruptible(self, view: ProgressView, running: Callable[[], int]) -> Iterator[None]:
        try:
            with self.interruption.of(_Begun(view, running, self.executor)):
                yield
        except KeyboardInterrupt:
            view.say(f"stopped: {view.counts()}, {self._interrupted(running())}")
            raise

    def _interrupted(self, running: int) -> str:
        kept = set().union(*self.executor.checkpoints.groups(self.begun))
        go_on = f", {len(kept)} of them have a checkpoint to go on from" if kept else ""
        return f"{running} were running{go_on}"

    def _packs(self, view: ProgressView) -> Iterator[Pack]:
        """What this driver runs next; each is claimed when it is asked for."""
        slots = Slots(self.executor.jobs, self.executor.gpu, self.terms.largest)
        new = {key: run for key, run in self.left.items() if not self.tries[key]}
        kept = self.executor.checkpoints
        begun = kept.groups(new.keys())
        if begun:
            view.say(f"{len(set().union(*begun))} runs go on from checkpoints")
        packs = [*make_packs(list(new.values()), slots, [*begun, *kept.division()], self.ended), *self._repeated()]
        kept.divide([keys for pack in packs if len(keys := [run.run_key for run in pack.runs]) > 1])
        for pack in packs:
            if self.interruption.stopping:
                return
            wanted = [run.run_key for run in pack.runs if run.run_key in self.left]
            taken = self.tracker.shares.take(wanted)
            self._settle(taken.ended, view)
            if taken.runs:
                view.begins([self.left[key] for key in taken.runs])
                yield self._begin(pack, wanted, set(taken.runs))

    def _begin(self, pack: Pack, wanted: Sequence[str], taken: set[str]) -> Pack:
        """The runs of a pack that were taken; if these are all that is wanted of it, with those that have ended."""
        whole = taken >= {*wanted}
        runs = tuple(run for run in pack.runs if run.run_key in taken or (whole and run.run_key not in wanted))
        self.companions = (self.companions | {run.run_key for run in runs}) - taken
        keys = tuple(run.run_key for run in runs)
        self.begun |= taken
        self.together |= dict.fromkeys(taken, keys)
        for key in taken:
            del self.left[key]
        return Pack(runs)

    def _repeated(self) -> list[Pack]:
        """What is tried again: first together, as it was, for the same bits; then alone, as one may be the cause."""
        packs: dict[tuple[str, ...], Pack] = {}
        for key in (key for key in self.left if self.tries[key]):
            group = self.together.get(key, (key,))
            if any(self.tries[other] != 1 if other in self.left else other not in self.ended for other in group):
                group = (key,)
            packs[group] = Pack(tuple(self.left.get(other) or self.ended[other] for other in group))
        return list(packs.values())

    def _others(self, view: ProgressView) -> bool:
        """Whether something came of what other drivers run."""
        return self._settle(self.tracker.shares.ended(list(self.left)), view)

    def _settle(self, ended: Mapping[str, bool], view: ProgressView) -> bool:
        for key, failed in ended.items():
            view.elsewhere(self.left.pop(key), failed)
        return bool(ended)

    def _reporter(self, view: ProgressView) -> Report:
        def report(spec: RunSpec, message: Message) -> None:
            with self.interruption.deferred():
                self._keep(spec, message, view)

        return report

    def _again(self, record: RunRecord) -> bool:
        """Whether the run is tried again."""
        # A pack is one more try: the last one is without the others.
        most = self.terms.retries + (self.terms.retries > 0 and len(self.together.get(record.run_key, ())) > 1)
        over = self.interruption.stopping or self.tries[record.run_key] >= most
        return record.outcome is Outcome.FAILED and not over and retries.helps(record)

    def _keep(self, spec: RunSpec, message: Message, view: ProgressView) -> None:
        """Write and show what is reported."""
        key, repeat = spec.run_key, self.terms.repeat(spec)
        if key in self.companions:
            return
        again = isinstance(message, RunRecord) and self._again(message)
        attempt = Attempt(self.tries[key] + 1, again, repeat, self.former.get(key, ()))
        counts = self.tracker.write(spec, message, attempt)
        if not isinstance(message, RunRecord):
            view.begins([spec])
            return
        self.begun.discard(key)
        if not again:
            self.ended[key] = spec
            self.executor.checkpoints.drop(key)
        if counts and not again:
            view.ended(spec, message, repeat)
        else:
            view.again(spec, f"{message.reason}; it is tried again" if counts else LOST)
            self.tries[key] += counts
            self.left[key] = spec
