"""How fast runs end, and when the last of them will: never told from one run alone."""

from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 2  # packs of every job that have ended before their rate is believed
WEIGHT = 16  # runs that an estimate from before counts as
PART = 0.95  # of a pack that may pass for done before it has ended


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, known before any has run.

    Attributes:
        seconds: of a run, its share of those that it is trained with.
        basis: by what that is known, in words.
    """

    seconds: float
    basis: str


class Pace:
    """The runs that have ended and the packs under way, with their times.

    As long as not every job has ended two packs, the time left is that of the runs left: at first as estimated, then by
    the durations of those that ended. After that it is told by the clock, packs under way counting by their age.
    """

    def __init__(self, jobs: int = 1, estimate: Estimate | None = None) -> None:
        """Nothing has begun.

        Args:
            jobs: packs at once.
            estimate: of a run.
        """
        self.jobs, self.estimate = jobs, estimate
        self.ended, self.total = 0, 0.0
        self.largest = ENOUGH
        self._packs: dict[str, _Pack] = {}

    def begins(self, keys: Sequence[str], now: float) -> None:
        """Runs are handed out together; those of which that is known only tell that they run."""
        new = [key for key in keys if key not in self._packs]
        if new:
            self._packs |= dict.fromkeys(new, _Pack(now, len(new)))
            self.largest = max(self.largest, len(new))

    def waits(self, key: str) -> None:
        """A run is to begin again."""
        self._packs.pop(key, None)

    def ends(self, key: str, seconds: float | None) -> None:
        """A run has ended, after so many seconds of its own; None of one that failed, which tells nothing."""
        if seconds is not None:
            self.ended += 1
            self.total += seconds
        pack = self._packs.pop(key, None)
        if pack:
            pack.ended += 1

    def seconds(self) -> float | None:
        """Of a run, as far as it is known."""
        if self.estimate:
            return (WEIGHT * self.estimate.seconds + self.total) / (WEIGHT + self.ended)
        return self.total / self.ended if self.ended >= ENOUGH * self.jobs else None

    def rate(self, done: int, elapsed: float, now: float) -> float | None:
        """Runs a second; None as long as too few have ended."""
        if done < ENOUGH * self.jobs * self.largest or not elapsed:
            return None
        return (done + self._under_way(now)) / elapsed

    def left(self, done: int, to_go: int, elapsed: float, now: float) -> float | None:
        """Seconds until the last run has ended; None as long as nothing tells.

        Args:
            done: runs that have ended.
            to_go: runs that have not.
            elapsed: seconds since the first could begin.
            now: seconds of the same clock as the beginnings.
        """
        rate, each = self.rate(done, elapsed, now), self.seconds()
        runs = max(0.0, to_go - self._under_way(now))
        if rate:
            return runs / rate
        return None if each is None else runs * each / self.jobs

    def _under_way(self, now: float) -> float:
        """How many runs are done of packs that have not ended."""
        each = self.seconds()
        if not each:
            return 0.0
        packs = {id(pack): pack for pack in list(self._packs.values())}
        return sum(max(0.0, min((now - pack.begun) / each, PART * pack.runs) - pack.ended) for pack in packs.values())


@dataclass
class _Pack:
    begun: float
    runs: int
    ended: int = 0
