"""Ctrl-C, or SIGTERM where a cluster wants its machine back: once to stop in order, twice to stop now."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """What is interrupted."""

    @property
    def running(self) -> Callable[[], int]:
        """How many runs have begun and have not ended."""

    def say(self, text: str) -> None:
        """Tell the user."""

    def stop(self) -> None:
        """Let nothing begin any more."""

    def hurry(self) -> None:
        """Ask what runs to end early."""


@dataclass(frozen=True)
class Grace:
    """How long what runs may go on after the first signal, in seconds; a cluster kills after 30 or so.

    Attributes:
        quick: until trials are asked to end early.
        last: from then until they are ended.
    """

    quick: float = 5.0
    last: float = 15.0


class Interruption:
    """The state of being interrupted; what is to happen at the end of it raises ``KeyboardInterrupt``."""

    def __init__(self, grace: Grace) -> None:
        """Not interrupted."""
        self.grace = grace
        self.stopping = False
        self._of: Stoppable | None = None
        self._deferring = False
        self._pending: list[Callable[[], None]] = []
        self._next: Callable[[], None] = self._end  # when the time is up

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals in the block; after it they do what they did before."""
        before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
        self._catch()
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def of(self, work: Stoppable) -> Iterator[None]:
        """What is interrupted in the block; without any, the first signal is the last.

        Raises:
            KeyboardInterrupt: at the end, if the work was stopped in order.
        """
        self._catch()  # Ray has taken SIGTERM when it was started
        self._of = work
        try:
            yield
        finally:
            self._of = None
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self.stopping:
            self._end()

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Put signals off to the end of the block: a record that has arrived is written whole."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        while self._pending:
            self._pending.pop(0)()

    def _catch(self) -> None:
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._now_or_later(self._signalled))
        signal.signal(signal.SIGALRM, self._due)

    def _now_or_later(self, act: Callable[[], None]) -> None:
        if self._deferring:
            self._pending.append(act)
        else:
            act()

    def _signalled(self) -> None:
        if self.stopping or not self._of or not (running := self._of.running()):
            self._end()
        else:
            self.stopping = True
            self._of.say(self._explained(running))
            self._of.stop()
            self._after(self.grace.quick, self._hurry)

    def _explained(self, running: int) -> str:
        runs = f"the {running} runs that have begun get" if running > 1 else "the run that has begun gets"
        return (
            f"stopping: nothing new starts, and {runs} {self.grace.quick:g} s to end, then {self.grace.last:g} s to "
            f"keep a checkpoint. Ctrl-C again stops now, at the checkpoints that there are; either way what is "
            f"finished is kept, and the same command goes on."
        )

    def _hurry(self) -> None:
        if self._of:
            self._of.hurry()
        self._after(self.grace.last, self._end)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._next = act
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def _due(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._now_or_later(self._next)

    def _end(self) -> NoReturn:
        """What is to be closed is closed whole: from now on signals do nothing."""
        self.stopping = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt
