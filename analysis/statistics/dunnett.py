"""Every cell against the baseline if all cells have the same variance: Dunnett's test with seeds as blocks."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.blocked import Blocked, blocked
from analysis.statistics.max_t import EqualMaxT, MaxT, SimulatedMaxT

Array = NDArray[np.float64]
COLUMNS = ["difference", "low", "high", "p"]


def dunnett(frame: pd.DataFrame, baseline: str, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of each cell to the baseline, adjusted for all of these comparisons.

    The linear model ``score = cell + seed + error`` takes out what a seed does to all cells alike. With its residual
    variance, ``t_i = (cell_i - baseline) / se_i``; the p-value is ``P(max_j |T_j| >= |t_i|)`` for the joint t
    distribution of the contrasts, and the intervals use the quantile of the same maximum. So p < 1 - confidence if and
    only if the interval excludes 0, and all intervals hold together with the given confidence (Dunnett 1955; Hothorn,
    Bretz and Westfall 2008, section 3). Equal variances are assumed: with a baseline three times as noisy as the others
    false positives rise to 20 %, which is why ``contrasts`` is the default.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        baseline: a cell.
        confidence: joint coverage of the intervals.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high``, ``p``; NaN where the data leave no degrees of
        freedom, where the baseline or the cell has no score, or where they cannot be compared.
    """
    seen = frame.dropna(subset=["score"])
    others = [cell for cell in frame["cell"].unique() if cell != baseline]
    result = pd.DataFrame(np.nan, index=pd.Index(others, name="cell"), columns=COLUMNS)
    if not {baseline} < set(seen["cell"]):
        return result
    fit = blocked(seen, baseline)
    k = len(fit.cells) - 1
    joint = joint_tests(fit, seen["score"].to_numpy(float), np.hstack([-np.ones((k, 1)), np.eye(k)]), confidence)
    joint.index = pd.Index(fit.cells[1:], name="cell")
    return joint.reindex(others)


def joint_tests(fit: Blocked, score: Array, contrast: Array, confidence: float) -> pd.DataFrame:
    """Estimates and joint tests of contrasts (k, C) of the cells of a fit; a row each, NaN where there is none."""
    estimate = fit.estimate(score, contrast)
    estimable = np.isfinite(estimate)
    result = pd.DataFrame(np.nan, index=range(len(contrast)), columns=COLUMNS)
    result["difference"] = estimate
    difference, variance = estimate[estimable], fit.variance(score)
    if fit.df > 0 and variance > 0 and estimable.any():
        factor = fit.factor(contrast[estimable])
        error = np.sqrt(variance * (factor**2).sum(1))
        largest = _largest(factor, fit.df)
        half = largest.quantile(confidence) * error
        result.loc[estimable, "low"] = difference - half
        result.loc[estimable, "high"] = difference + half
        result.loc[estimable, "p"] = largest.sf(np.abs(difference / error))
    return result


def _largest(factor: Array, df: int) -> MaxT:
    unit = factor / np.sqrt((factor**2).sum(1, keepdims=True))
    k = len(unit)
    pairs = unit[1:] @ unit[0] if k > 1 else np.zeros(1)
    if _alike(pairs):  # those of the first contrast; is it so of all?
        pairs = (unit @ unit.T)[~np.eye(k, dtype=bool)] if k > 1 else pairs
        if _alike(pairs):
            return EqualMaxT(k, df, max(0.0, float(pairs[0])))
    return SimulatedMaxT(factor, df)


def _alike(correlation: Array) -> bool:
    return np.allclose(correlation, correlation[0], atol=1e-9) and bool(correlation[0] > -1e-9)
