"""Every cell against the baseline, the default: Dunnett's test with moderated variances."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.polynomial import Chebyshev
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.max_t import EqualMaxT
from analysis.statistics.moderated import Differences, differences

Array = NDArray[np.float64]
COLUMNS = ["difference", "low", "high", "p"]
UNEQUAL = 0.05
NODES, LEAST = 16, 2.0


def contrasts(frame: pd.DataFrame, baseline: str, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of each cell to the baseline, adjusted for all of these comparisons.

    Means of the differences over the seeds that both cells have: what a seed does to all cells alike cancels. Each has
    a variance of its own, moderated by that of the others (``moderated``), so that neither unequal variances nor a
    noisy baseline lead to false positives, and few seeds still give power. ``t_i = difference_i / error_i`` is referred
    to Dunnett's distribution of the largest of k, ``P(max_j |T_j| >= |t_i|)``, with the degrees of freedom of contrast
    i (Dunnett 1955; Hasler and Hothorn 2008 for unequal variances). The p-values step down: after a rejection the next
    is adjusted for one fewer (Westfall 1997). Of two cells it is the paired t test.

    The intervals hold together with the given confidence. They do not step down (no simple ones do): an interval that
    excludes 0 implies p < 1 - confidence; the converse holds for the most significant cell, not for all.

    No test of variances switches between methods. Blocked Dunnett with a guard and paired t tests behind it was
    simulated: with 3 and 5 seeds, a guard overlooks a noisy baseline too often (family-wise false positives up to .14),
    and one that is sure to see it hardly ever lets equal variances pass (``benchmarks/calibration.py``).

    What remains: with 3 seeds, a single cell five times as noisy as the others makes .08 family-wise false positives
    instead of .05; and with 3 or 5 seeds a quiet cell among noisy ones has less power than in a paired t test alone.

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
    result = pd.DataFrame(np.nan, index=pd.Index(others, name="cell"), columns=COLUMNS)
    if not others:
        return result.assign(method="none", reason="no other cell")
    compared = differences(score_grid(frame, [baseline, *others]))
    result["difference"] = compared.mean
    known = np.isfinite(compared.error)
    if not known.any():
        return result.assign(method="none", reason=_why_not(compared))
    t, df, rho = compared.mean / compared.error, compared.df, float(compared.correlation)
    half = critical(df[known], rho, confidence) * compared.error[known]
    result.loc[known, "low"] = compared.mean[known] - half
    result.loc[known, "high"] = compared.mean[known] + half
    result.loc[known, "p"] = step_down(t[known], df[known], rho)
    return result.assign(**_footnote(compared, int(known.sum())))


def score_grid(frame: pd.DataFrame, cells: Sequence[str]) -> Array:
    """(cells, seeds) scores, NaN where there is none; of several runs of one cell and seed the mean."""
    seen = frame.dropna(subset=["score"])
    if seen.empty:
        return np.full((len(cells), 1), np.nan)
    grid = seen.pivot_table(index="cell", columns="seed", values="score", observed=True)
    return grid.reindex(list(cells)).to_numpy(float)


def critical(df: Array, correlation: float, confidence: float) -> Array:
    """(k,) half widths of joint intervals for k contrasts with their degrees of freedom, in standard errors.

    Of many degrees of freedom, by a polynomial through the logarithm of exact values, in 1 / sqrt(df): off by less than
    1e-6. Not below 2, where the quantile grows too fast.
    """
    unique, place = np.unique(df, return_inverse=True)

    def logarithm(root: Array) -> Array:
        return np.array([np.log(EqualMaxT(len(df), x**-2, correlation).quantile(confidence)) for x in root])

    roots = unique**-0.5
    smooth = unique >= LEAST
    values = np.zeros(len(unique))
    if smooth.sum() > NODES:
        domain = [roots[smooth][-1], roots[smooth][0]]
        values[smooth] = Chebyshev.interpolate(logarithm, NODES - 1, domain=domain)(roots[smooth])
    else:
        smooth[:] = False
    values[~smooth] = logarithm(roots[~smooth])
    return np.asarray(np.exp(values)[place])


def step_down(t: Array, df: Array, correlation: float) -> Array:
    """(k,) p-values adjusted for all, in the order of the unadjusted ones."""
    p, least = np.zeros(len(t)), 0.0
    for rank, index in enumerate(np.argsort(unadjusted(t, df), kind="stable")):
        largest = EqualMaxT(len(t) - rank, float(df[index]), correlation)
        p[index] = least = max(least, float(largest.sf(np.abs(t[[index]]))[0]))
    return p


def unadjusted(t: Array, df: Array) -> Array:
    """(..., k) p-value of each contrast alone, two-sided."""
    return np.asarray(2 * stats.t.sf(np.abs(t), df))


def _why_not(compared: Differences) -> str:
    if (compared.pairs == 0).all():
        return "no cell shares a seed with the baseline"
    return "one seed tells no variance" if (compared.pairs < 2).all() else "the differences do not vary"


def _footnote(compared: Differences, k: int) -> dict[str, str]:
    if k < 2:
        return {"method": "paired t test", "reason": "one comparison"}
    p = float(stats.chi2.sf(float(compared.heterogeneity) * (k - 1), k - 1))
    found = "the variances of the differences are unequal" if p < UNEQUAL else "no sign of unequal variances"
    moderated = f"{found} (Bartlett's test, p = {p:.3f}); each contrast has its own, moderated by the others'"
    return {"method": "Dunnett's test with moderated variances", "reason": moderated}
