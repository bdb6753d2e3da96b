"""How far a study is: a live bar on a terminal, lines elsewhere."""

import time
from collections import Counter
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ablations.record import Outcome, RunRecord

LINE_SECONDS = 15.0


class ProgressView:
    """Counts runs as they end."""

    def __init__(self, console: Console, total: int, jobs: int) -> None:
        self.console, self.total, self.jobs = console, total, jobs
        self.done = self.diverged = self.failed = self.others = 0
        self.errors: Counter[str] = Counter()
        self.repeat: dict[str, str] = {}
        self.waiting = False
        self.started = self.printed = time.monotonic()
        self.bar = Progress(
            TextColumn("[bold]{task.fields[study]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=total, study="runs", state="starting")

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()
        for error, count in self.errors.items():
            if count > 1:
                self.say(f"failed: {count} runs in all with: {error}")
            if self.repeat[error]:
                self.say(f"to repeat {'the first of these' if count > 1 else 'it'} alone: {self.repeat[error]}")

    def ended(self, name: str, record: RunRecord, repeat: str = "") -> None:
        """A run ended; ``repeat`` is the command that repeats it alone."""
        self.waiting = False
        self.done += 1
        self.diverged += record.outcome is Outcome.DIVERGED
        self.failed += record.outcome is Outcome.FAILED
        if record.outcome is Outcome.FAILED:
            self._failed(name, record.reason, repeat)
        self._update()

    def elsewhere(self, failed: bool) -> None:
        """Another driver has ended a run."""
        self.total -= 1
        self.others += 1
        self.failed += failed
        self._update()

    def waits(self, text: str) -> None:
        """Say what is waited for, once until the next run ends here."""
        if not self.waiting:
            self.waiting = True
            self.say(text)

    def counts(self) -> str:
        """Done and failed in words."""
        return f"{self.done} of {self.total} runs are done, {self.failed} failed"

    def _update(self) -> None:
        self.bar.update(self.task, completed=self.done, total=self.total, state=self.state())
        due = time.monotonic() - self.printed > LINE_SECONDS or self.done == self.total
        if due and not self.console.is_terminal:
            self.printed = time.monotonic()
            self.say(f"{self.done}/{self.total} runs, {self.state()}")

    def _failed(self, name: str, error: str, repeat: str) -> None:
        """The first run with an error is named; the others with the same are counted."""
        self.errors[error] += 1
        if self.errors[error] == 1:
            self.repeat[error] = repeat
            self.say(f"failed: {name}: {error}")

    def say(self, text: str) -> None:
        """Print a line, above the bar."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def state(self) -> str:
        """Failed, running, rate and time left in words."""
        minutes = (time.monotonic() - self.started) / 60
        rate = self.done / minutes if minutes else 0.0
        left = f"{(self.total - self.done) / rate:.1f} min left" if rate else "no rate yet"
        running = min(self.jobs, self.total - self.done)
        diverged = f"{self.diverged} diverged, " if self.diverged else ""
        others = f", {self.others} by other drivers" if self.others else ""
        return f"{self.failed} failed, {diverged}{running} running, {rate:.0f}/min, {left}{others}"
