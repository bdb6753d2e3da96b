"""Every cell against the baseline: Dunnett's test with seeds as blocks."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.max_t import EqualMaxT, MaxT, SimulatedMaxT

Array = NDArray[np.float64]


def contrasts(frame: pd.DataFrame, baseline: str, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of each cell to the baseline, adjusted for all of these comparisons.

    The linear model ``score = cell + seed + error`` takes out what a seed does to all cells alike. With its residual
    variance, ``t_i = (cell_i - baseline) / se_i``; the p-value is ``P(max_j |T_j| >= |t_i|)`` for the joint t
    distribution of the contrasts, and the intervals use the quantile of the same maximum. So p < 1 - confidence if and
    only if the interval excludes 0, and all intervals hold together with the given confidence (Dunnett 1955; Hothorn,
    Bretz and Westfall 2008, section 3). Equal variances in the cells are assumed.

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
    scored = set(seen["cell"])
    compared = [cell for cell in others if cell in scored]
    if baseline not in scored or not compared:
        return pd.DataFrame(np.nan, index=pd.Index(others, name="cell"), columns=["difference", "low", "high", "p"])
    compared, difference, covariance, df = _fit(seen, baseline, compared)
    result = pd.DataFrame({"difference": difference}, index=pd.Index(compared, name="cell"))
    error = np.sqrt(np.diag(covariance))
    usable = df > 0 and len(compared) > 0 and bool((error > 0).all())
    if usable:
        largest = _largest(covariance, df)
        half = largest.quantile(confidence) * error
        result = result.assign(low=difference - half, high=difference + half, p=largest.sf(np.abs(difference / error)))
    return result.reindex(others).reindex(columns=["difference", "low", "high", "p"])


def _fit(seen: pd.DataFrame, baseline: str, compared: list[str]) -> tuple[list[str], Array, Array, int]:
    """By least squares: the k cells whose contrast can be estimated, the contrasts, their covariance (k, k), and df."""
    cells = pd.get_dummies(pd.Categorical(seen["cell"], [baseline, *compared]), dtype=float).to_numpy()
    seeds = pd.get_dummies(seen["seed"].astype("category"), dtype=float).to_numpy()[:, 1:]
    design = np.hstack([cells, seeds])
    score = seen["score"].to_numpy(float)
    inverse = np.linalg.pinv(design.T @ design)
    coefficient = inverse @ design.T @ score
    df = len(score) - int(np.linalg.matrix_rank(design))
    residual = score - design @ coefficient
    # What rounding leaves of equal scores is no variance.
    noise = float(residual @ residual) > 1e-20 * float(score @ score)
    variance = float(residual @ residual) / df if df and noise else 0.0
    k = len(compared)
    contrast = np.hstack([-np.ones((k, 1)), np.eye(k), np.zeros((k, seeds.shape[1]))])
    # A cell that shares no seed with the baseline, not even through others, cannot be compared with it.
    estimable = np.isclose(contrast @ inverse @ design.T @ design, contrast, atol=1e-8).all(1)
    contrast = contrast[estimable]
    names = [cell for cell, is_estimable in zip(compared, estimable, strict=True) if is_estimable]
    return names, contrast @ coefficient, variance * contrast @ inverse @ contrast.T, df


def _largest(covariance: Array, df: int) -> MaxT:
    error = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(error, error)
    k = len(error)
    pairs = correlation[~np.eye(k, dtype=bool)] if k > 1 else np.zeros(1)
    if np.allclose(pairs, pairs[0], atol=1e-9) and pairs[0] > -1e-9:
        return EqualMaxT(k, df, max(0.0, float(pairs[0])))
    return SimulatedMaxT(correlation, df)
