"""How far a study is: a live view on a terminal, lines elsewhere."""

import time
from collections.abc import Collection, Iterable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ablations.record import Outcome, RunRecord
from runners import screen
from runners.live import LiveState, Mark
from runners.pace import Pace
from runners.planner import RunSpec
from runners.screen import Frame

LINE_SECONDS = 15.0
REFRESHES = 4  # a second, at most
BELOW = 2  # lines of the screen that stay free


class ProgressView:
    """Shows runs as they begin and end."""

    def __init__(self, console: Console, state: LiveState, pace: Pace | None = None) -> None:
        """Show a state.

        Args:
            console: where it is shown; one that is not interactive gets lines.
            state: that is changed by what happens.
            pace: that the runs are to have.
        """
        self.console, self.state, self.pace = console, state, pace or Pace()
        self.waiting = self.over = False
        self.told = 0
        self.started = self.printed = time.monotonic()
        self.live = Live(get_renderable=self._picture, console=console, refresh_per_second=REFRESHES)

    def __enter__(self) -> Self:
        if self.console.is_interactive:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        self.live.stop()
        for failure in self.state.failures.values():
            several = failure.count > 1
            if self.console.is_interactive:
                self.say(f"failed: {failure.name}: {failure.error}")
            if several:
                self.say(f"failed: {failure.count} runs in all with: {failure.error}")
            if failure.repeat:
                self.say(f"to repeat {'the first of these' if several else 'it'} alone: {failure.repeat}")

    @property
    def failed(self) -> int:
        """How many runs failed."""
        return self.state.failed

    def wants(self, runs: Iterable[RunSpec]) -> None:
        """These are to be run; without a live view a line says how long that will take, if it is known."""
        self.state.wants(runs)
        if self.pace.estimate and not self.console.is_interactive:
            self.say(self._line())

    def begins(self, runs: Iterable[RunSpec]) -> None:
        """These are handed to the executor, or tell that they run."""
        runs = list(runs)
        self.state.begins(runs)
        self.pace.begins([run.run_key for run in runs], time.monotonic())

    def again(self, run: RunSpec, reason: str) -> None:
        """It is to be tried again."""
        self.state.waits(run)
        self.pace.waits(run.run_key)
        self.say(f"{run.name}: {reason}")

    def ended(self, run: RunSpec, record: RunRecord, repeat: str = "") -> None:
        """A run ended; ``repeat`` is the command that repeats it alone."""
        self.waiting = False
        known = set(self.state.failures)
        self.state.ends(run, record, repeat)
        self.pace.ends(run.run_key, None if record.outcome is Outcome.FAILED else record.duration)
        self._news(known)

    def elsewhere(self, run: RunSpec, failed: bool) -> None:
        """Another driver has ended a run."""
        self.state.elsewhere(run, failed)
        self.tell()

    def shows(self, state: LiveState) -> None:
        """The same study later, or what comes after its search."""
        former, self.state, self.waiting = self.state, state, False
        state.before = former.before
        if former.plan.metric != state.plan.metric:
            self.started, state.before, self.pace = time.monotonic(), state.done, Pace()
        self._news(set(former.failures))

    def waits(self, text: str) -> None:
        """Say what is waited for, once until the next run ends here."""
        if not self.waiting:
            self.waiting = True
            self.say(text)

    def counts(self) -> str:
        """Done and failed in words."""
        return self.state.counts()

    def tell(self) -> None:
        """Print a line if it is time for one and there is no live view."""
        now = time.monotonic()
        due = now - self.printed > LINE_SECONDS or self.state.done == self.state.total
        if due and self.told != self.state.done and not self.console.is_interactive:
            self.printed, self.told = now, self.state.done
            self.say(self._line())

    def say(self, text: str) -> None:
        """Print a line, above the live view."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _news(self, known: Collection[str]) -> None:
        """Tell of errors that are new, at once; the live view has them."""
        for error, failure in self.state.failures.items():
            if error not in known and not self.console.is_interactive:
                self.say(f"failed: {failure.name}: {error}")
        self.tell()

    def _line(self) -> str:
        state = self.state
        diverged = f"{state.diverged} diverged, " if state.diverged else ""
        begun = f"{state.count(Mark.BEGUN)} begun, "
        return f"{state.done}/{state.total} runs, {state.failed} failed, {diverged}{begun}{self._pace()}"

    def _pace(self) -> str:
        now = time.monotonic()
        return screen.pace_of(self.state, self.pace, now - self.started, now)

    def _picture(self) -> Text:
        size = self.console.size
        frame = Frame(size.width, size.height - BELOW, not self.console.encoding.startswith("utf"))
        return screen.draw(self.state, self._pace(), frame, failures=not self.over)
