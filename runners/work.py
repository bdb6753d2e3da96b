"""Has the runs of a tracker run: what other drivers have is left to them, and what the machine broke is tried again."""

import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ablations.record import Outcome, RunRecord, Tag
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

    def run(self, runs: Sequence[RunSpec], view: ProgressView) -> None:
        """Run these, and wait for those that other drivers run.

        Args:
            runs: of which none has been finished.
            view: counts what comes of them.

        Raises:
            StoreError: the store cannot be used.
            KeyboardInterrupt: it was interrupted.
        """
        self.left = {run.run_key: run for run in runs}
        with self._interruptible(view, lambda: len(self.begun)):
            while self.left and not self.interruption.stopping:
                packs = self._packs(view)
                first = next(packs, None)
                if first:
                    self.executor.run(itertools.chain([first], packs), self._reporter(view))
                elif self.left and not self._others(view):
                    view.waits(f"waiting for {len(self.left)} runs of other drivers")
                    time.sleep(self.terms.patience.poll)

    def explore(self, exploration: Exploration, view: ProgressView) -> None:
        """Run the trials of a search that are still to begin; errors as with ``run``."""
        with self._interruptible(view, lambda: min(view.jobs, view.total - view.done)):
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
        begun = self.executor.checkpoints.groups(new.keys())
        if begun:
            view.say(f"{len(set().union(*begun))} runs go on from checkpoints")
        for pack in [*make_packs(list(new.values()), slots, begun), *self._repeated()]:
            if self.interruption.stopping:
                return
            taken = self.tracker.shares.take([run.run_key for run in pack.runs])
            self._settle(taken.ended, view)
            runs = tuple(self.left.pop(run.run_key) for run in pack.runs if run.run_key in taken.runs)
            if runs:
                keys = tuple(run.run_key for run in runs)
                self.begun |= set(keys)
                self.together |= dict.fromkeys(keys, keys)
                yield Pack(runs)

    def _repeated(self) -> list[Pack]:
        """What is tried again: first together, as it was, for the same bits; then alone, as one may be the cause."""
        packs: dict[tuple[str, ...], Pack] = {}
        for key in (key for key in self.left if self.tries[key]):
            group = self.together.get(key, (key,))
            if any(other not in self.left or self.tries[other] != 1 for other in group):
                group = (key,)
            packs[group] = Pack(tuple(self.left[other] for other in group))
        return list(packs.values())

    def _others(self, view: ProgressView) -> bool:
        """Whether something came of what other drivers run."""
        return self._settle(self.tracker.shares.ended(list(self.left)), view)

    def _settle(self, ended: Mapping[str, bool], view: ProgressView) -> bool:
        for key, failed in ended.items():
            del self.left[key]
            view.elsewhere(failed)
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
        again = isinstance(message, RunRecord) and self._again(message)
        attempt = Attempt(self.tries[key] + 1, again, repeat, self.former.get(key, ()))
        counts = self.tracker.write(spec, message, attempt)
        if not isinstance(message, RunRecord):
            return
        self.begun.discard(key)
        if not again:
            self.executor.checkpoints.drop(key)
        if counts and not again:
            view.ended(spec.name, message, repeat)
        else:
            view.say(f"{spec.name}: {message.reason}; it is tried again" if counts else f"{spec.name}: {LOST}")
            self.tries[key] += counts
            self.left[key] = spec
