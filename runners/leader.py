"""Which cell is furthest ahead of the baseline while a study fills up: a description, no conclusion."""

import heapq
import math
from dataclasses import dataclass
from typing import Literal

from ablations.sequential import Sample

LEAST = 2  # pairs for an interval


@dataclass(frozen=True)
class Best:
    """A cell against the baseline.

    Attributes:
        row: of the cell.
        n: seeds that both have.
        difference: mean of the differences, cell minus baseline.
        low: of its 95 % t interval, ``mean +- t(.975, n - 1) sd / n^(1/2)``, which is adjusted neither for the choice
            of the cell nor for the looks.
        high: likewise.
    """

    row: int
    n: int
    difference: float
    low: float
    high: float


class Leader:
    """Means of cells, and of their differences to the baseline by seed; a score costs the same in any study."""

    def __init__(self, baseline: int, direction: Literal["max", "min"]) -> None:
        """No scores yet.

        Args:
            baseline: row of the baseline.
            direction: what is better.
        """
        self.baseline, self.sign = baseline, -1 if direction == "max" else 1
        self._scores: dict[int, dict[int, float]] = {}  # by seed and cell
        self._means: dict[int, Sample] = {}
        self._pairs: dict[int, Sample] = {}
        self._heap: list[tuple[float, int, int]] = []  # rank, cell and pairs; an entry with other pairs is old

    def scored(self, row: int, column: int, score: float) -> None:
        """A run has a score; each pair enters once, with the later of its two scores."""
        scores = self._scores.setdefault(column, {})
        if row in scores:
            return
        scores[row] = score
        self._means[row] = self._means.get(row, Sample()).plus(score)
        reference = scores.get(self.baseline)
        if reference is not None:
            for other in scores if row == self.baseline else (row,):
                if other != self.baseline:
                    self._paired(other, scores[other] - reference)

    def mean(self, row: int) -> float | None:
        """Of the scores of a cell."""
        return self._means[row].mean if row in self._means else None

    def best(self) -> Best | None:
        """The cell with the best mean difference; None as long as none has two seeds in common with the baseline."""
        if not self._heap:
            return None
        from scipy.special import stdtrit

        row = self._heap[0][1]
        pairs = self._pairs[row]
        half = float(stdtrit(pairs.n - 1, 0.975)) * math.sqrt(pairs.square / (pairs.n - 1) / pairs.n)
        return Best(row, pairs.n, pairs.mean, pairs.mean - half, pairs.mean + half)

    def _paired(self, row: int, difference: float) -> None:
        pairs = self._pairs[row] = self._pairs.get(row, Sample()).plus(difference)
        if pairs.n >= LEAST:
            heapq.heappush(self._heap, (self.sign * pairs.mean, row, pairs.n))
            while self._pairs[self._heap[0][1]].n != self._heap[0][2]:
                heapq.heappop(self._heap)
