"""How large a difference is, each with an interval that is sound with few seeds."""

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

from ablations.power import noncentral_t
from analysis.statistics.contrasts import score_grid

Array = NDArray[np.float64]
MEANINGFUL = 0.75
COLUMNS = ["n", "difference", "low", "high", "dz", "dz_low", "dz_high", "better", "better_low", "better_high"]


def sizes(
    frame: pd.DataFrame, baseline: str, direction: Literal["max", "min"] = "max", confidence: float = 0.95
) -> pd.DataFrame:
    """Effect sizes of each cell against the baseline, over the seeds that both have; no interval is adjusted.

    * ``difference`` of the means, with the paired t interval.
    * ``dz``, the difference in standard deviations of the paired differences (Cohen 1988), times Hedges' (1981) exact
      correction ``J = gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2))``, m = n - 1. The interval inverts the noncentral
      t distribution of ``sqrt(n) dz / J`` (Steiger and Fouladi 1997); it is for the effect itself, so not corrected.
    * ``better``, P(cell better than baseline) on one seed: the part of seeds won, a tie counts half. The interval is
      Clopper and Pearson's (1934), which covers at least what it claims for every n; the bootstrap percentiles that
      Bouthillier et al. (2021) use collapse to a point when all of few seeds agree. ``meaningful`` is their criterion:
      the interval lies above 1/2 and reaches beyond .75. With fewer than 6 seeds it cannot be met at 95 %.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        direction: which scores are better.
        confidence: coverage of each interval.

    Returns:
        By cell, without the baseline: ``n`` (seeds), then each size with ``_low`` and ``_high``, and ``meaningful``;
        NaN where n is too small or the differences do not vary.
    """
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    grid = score_grid(frame, [baseline, *others])
    sign = 1.0 if direction == "max" else -1.0
    rows = [_sizes(row[np.isfinite(row)], sign, confidence) for row in grid[1:] - grid[:1]]
    table = pd.DataFrame(rows, index=pd.Index(others, name="cell"), columns=COLUMNS).astype({"n": int})
    return table.assign(meaningful=(table["better_low"] > 0.5) & (table["better_high"] > MEANINGFUL))


def _sizes(pair: Array, sign: float, confidence: float) -> list[float]:
    n, mean = len(pair), float(pair.mean()) if len(pair) else np.nan
    wins = float((sign * pair > 0).sum() + (pair == 0).sum() / 2)
    won = [wins / n if n else np.nan, *proportion(wins, n, confidence)]
    spread = float(pair.std(ddof=1)) if n > 1 else 0.0
    if spread <= 1e-10 * float(np.abs(pair).max(initial=0)):
        return [n, mean, *[np.nan] * 5, *won]
    half = stats.t.isf((1 - confidence) / 2, n - 1) * spread / n**0.5
    d = mean / spread
    corrected = d * hedges(n - 1) if n > 2 else np.nan
    return [n, mean, mean - half, mean + half, corrected, *standardised_interval(d, n, confidence), *won]


def hedges(df: int) -> float:
    """Hedges' J, which takes the bias off a standardised difference."""
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def standardised_interval(d: float, n: int, confidence: float) -> tuple[float, float]:
    """For the mean of n values in their standard deviations: the noncentral t distributions that d is a quantile of."""
    t, tail = d * n**0.5, (1 - confidence) / 2
    # Far beyond what the normal approximation of the noncentrality parameter has at these tails.
    reach = 8 * (1 + abs(t) / (2 * (n - 1)) ** 0.5)

    def at(probability: float) -> float:
        return float(optimize.brentq(lambda x: noncentral_t(t, n - 1, x) - probability, t - reach, t + reach))

    return at(1 - tail) / n**0.5, at(tail) / n**0.5


def proportion(wins: float, n: int, confidence: float) -> tuple[float, float]:
    """Clopper and Pearson's interval; with half wins by the same beta quantiles."""
    if n == 0:
        return np.nan, np.nan
    tail = (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, wins, n - wins + 1)) if wins > 0 else 0.0
    high = float(stats.beta.isf(tail, wins + 1, n - wins)) if wins < n else 1.0
    return low, high
