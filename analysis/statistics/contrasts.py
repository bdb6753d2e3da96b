"""Every cell against the baseline, the default: Dunnett's test with moderated variances."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.max_moderated import ModeratedMaxT, max_moderated
from analysis.statistics.moderated import Differences, differences

Array = NDArray[np.float64]
UNEQUAL = 0.05


def contrasts(frame: pd.DataFrame, baseline: str, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of each cell to the baseline, adjusted for all of these comparisons.

    Means of the differences over the seeds that both cells have: what a seed does to all cells alike cancels. Each has
    a variance of its own, drawn to the mean of all as far as the number of seeds and the agreement of the variances
    allow (``moderated``). ``|difference / error|`` is referred to the largest of k such ratios that share a baseline,
    by numerical integration (``max_moderated``): Dunnett's test (1955), but for its pooled variance. So neither unequal
    variances nor a noisy baseline lead to false positives, and few seeds still give power.

    P-values and intervals are single-step, from one distribution: an interval excludes 0 if and only if
    p < 1 - confidence. With one cell beside the baseline it is the paired t-test.

    Simulated with 3, 5 and 10 seeds, 8 and 32 contrasts, and standard deviations up to 5 times those of other cells
    (``benchmarks/calibration``), family-wise false positives are between .032 and .054, and the power to find one cell
    that differs is above that of paired t tests with Holm's adjustment, which step down and find more where most cells
    differ.

    What remains: with one cell or half of them ten times as noisy as the others, coverage reaches .975 (8 contrasts)
    and false positives .07 (100 contrasts, 3 seeds), and the quiet cells may be found less often than by paired t
    tests. Two seeds are too few: .03 false positives with 8 contrasts, but up to .10 with 100.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        confidence: joint coverage of the intervals.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high``, ``p``; NaN where the baseline or the cell has
        no score, where they share no seed, or where no variance can be told. Then ``method`` and ``reason``, the same
        in each row, for a footnote.
    """
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    compared = compare(score_grid(frame, [baseline, *others]))
    low, high = compared.interval(confidence)
    columns = {"difference": compared.found.mean, "low": low, "high": high, "p": compared.p()}
    return pd.DataFrame(columns, index=pd.Index(others, name="cell")).assign(**_footnote(compared))


@dataclass(frozen=True)
class Comparison:
    """Every cell against the baseline, with the distribution of the largest of their t statistics.

    Attributes:
        found: the differences.
        known: (k,) can it be tested?
    """

    found: Differences
    known: NDArray[np.bool_]

    @property
    def k(self) -> int:
        """Contrasts that can be tested."""
        return int(self.known.sum())

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """(k,) lower and upper ends that hold together; NaN where there are none."""
        quantile = cache(ModeratedMaxT.quantile)
        half = np.full(len(self.known), np.nan)
        for i in np.flatnonzero(self.known):
            half[i] = quantile(self._largest(i), confidence) * self.found.error[i]
        return self.found.mean - half, self.found.mean + half

    def p(self) -> Array:
        """(k,) p-values adjusted for all; NaN where there is none."""
        return self._tails(self.k)

    def unadjusted(self) -> Array:
        """(k,) p-value of each contrast alone, two-sided; NaN where there is none."""
        return self._tails(1)

    def _tails(self, m: int) -> Array:
        p, t = np.full(len(self.known), np.nan), np.abs(self.found.mean / self.found.error)
        alike = defaultdict[ModeratedMaxT, list[np.intp]](list)
        for i in np.flatnonzero(self.known):
            alike[self._largest(i)].append(i)
        for largest, places in alike.items():
            p[places] = largest.sf(t[places], m)
        return p

    def _largest(self, i: np.intp) -> ModeratedMaxT:
        """Of all contrasts, as if all had the seeds of this one, and as if two where it has one."""
        seeds = max(2, int(self.found.pairs[i]))
        return max_moderated(self.k, seeds, float(self.found.prior[i]), float(self.found.share[i]))


def compare(grid: Array) -> Comparison:
    """Of scores (1 + k, seeds), the baseline first; NaN where there is none."""
    found = differences(grid)
    return Comparison(found, np.isfinite(found.error))


def score_grid(frame: pd.DataFrame, cells: Sequence[str]) -> Array:
    """(cells, seeds) scores, NaN where there is none; of several runs of one cell and seed the mean."""
    seen = frame.dropna(subset=["score"])
    if seen.empty:
        return np.full((len(cells), 1), np.nan)
    grid = seen.pivot_table(index="cell", columns="seed", values="score", observed=True)
    return grid.reindex(list(cells)).to_numpy(float)


def _footnote(compared: Comparison) -> dict[str, str]:
    found, k = compared.found, compared.k
    if k == 0:
        return {"method": "none", "reason": _why_not(found)}
    if k == 1:
        return {"method": "paired t test", "reason": "one comparison"}
    p = float(stats.chi2.sf(float(found.heterogeneity) * (k - 1), k - 1))
    differ = "the variances of the differences are unequal" if p < UNEQUAL else "no sign of unequal variances"
    moderated = f"{differ} (Bartlett's test, p = {p:.3f}); each contrast has its own, moderated by the others'"
    return {"method": "Dunnett's test with moderated variances", "reason": moderated}


def _why_not(found: Differences) -> str:
    if not found.pairs.size:
        return "no other cell"
    if (found.pairs == 0).all():
        return "no cell shares a seed with the baseline"
    return "one seed tells no variance" if (found.pairs < 2).all() else "the differences do not vary"
