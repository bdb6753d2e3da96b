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
        self.done = self.diverged = self.failed = 0
        self.errors: Counter[str] = Counter()
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
                self._say(f"failed: {count} runs in all with: {error}")

    def ended(self, name: str, record: RunRecord) -> None:
        """A run ended."""
        self.done += 1
        self.diverged += record.outcome is Outcome.DIVERGED
        self.failed += record.outcome is Outcome.FAILED
        if record.outcome is Outcome.FAILED:
            self._failed(name, record.reason)
        self.bar.update(self.task, completed=self.done, state=self.state())
        due = time.monotonic() - self.printed > LINE_SECONDS or self.done == self.total
        if due and not self.console.is_terminal:
            self.printed = time.monotonic()
            self._say(f"{self.done}/{self.total} runs, {self.state()}")

    def _failed(self, name: str, error: str) -> None:
        """The first run with an error is named; the others with the same are counted."""
        self.errors[error] += 1
        if self.errors[error] == 1:
            self._say(f"failed: {name}: {error}")

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def state(self) -> str:
        """Failed, running, rate and time left in words."""
        minutes = (time.monotonic() - self.started) / 60
        rate = self.done / minutes if minutes else 0.0
        left = f"{(self.total - self.done) / rate:.1f} min left" if rate else "no rate yet"
        running = min(self.jobs, self.total - self.done)
        diverged = f"{self.diverged} diverged, " if self.diverged else ""
        return f"{self.failed} failed, {diverged}{running} running, {rate:.0f}/min, {left}"
