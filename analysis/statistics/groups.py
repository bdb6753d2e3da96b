"""Do the seeds of a cell fall into two groups of scores, as where training collapses in some of them?"""

from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
LEAST = 4  # seeds of a cell that is judged
PRIOR = 3  # degrees of freedom that the mean variance of all cells counts as
DRAWS = 100_000


def groups(frame: pd.DataFrame) -> pd.DataFrame:
    """For each cell the split of its scores into two groups that leaves the least variance, and its p-value.

    ``t`` is that of two samples, the lower and the higher group. A split of n sorted scores is the best of all
    ``2^(n - 1) - 1`` ways to make two groups of n seeds, so with normal noise the p-value of one given way, times their
    number (Bonferroni), bounds that of the best from above; closely where it is small. It is also multiplied by the
    number of cells.

    The variance within groups is that of the cell, moderated: the mean of all cells counts as three degrees of freedom
    more. The best split leaves less variance than a given one, which is corrected for. Scores of a small test set lie
    on a grid, and may agree by chance; so each counts as spread over the smallest difference d of two scores of the
    study, with variance ``d^2 / 12`` (Sheppard 1898).

    How often it warns without cause, and how often it misses: ``benchmarks/calibration``.

    Args:
        frame: ``cell``, ``score``; rows without a score are left out.

    Returns:
        By cell, in order of appearance: ``n`` (scores), ``lower`` (how many are in the lower group), ``t`` and ``p``
        (adjusted for all cells); NaN and 0 with less than 4 scores.
    """
    scores = [part["score"].dropna().to_numpy(float) for _, part in frame.groupby("cell", sort=False)]
    n, best = np.array([len(score) for score in scores]), np.array([split(score[None]) for score in scores])[..., 0]
    lower, between, within = best.T
    within = within + n * resolution(scores) ** 2 / 12
    judged = n >= LEAST
    t, p = np.full(len(n), np.nan), np.full(len(n), np.nan)
    t[judged] = moderated_t(between[judged], within[judged], n[judged])
    p[judged] = adjusted(t[judged], n[judged])
    names = pd.Index(frame["cell"].unique(), name="cell")
    return pd.DataFrame({"n": n, "lower": np.where(judged, lower, 0).astype(int), "t": t, "p": p}, index=names)


def split(scores: Array) -> tuple[Array, Array, Array]:
    """The best split of each row of (..., n) scores: the size of its lower group, squares between and within groups."""
    n = scores.shape[-1]
    if n < 2:
        nothing = np.zeros(scores.shape[:-1])
        return nothing, nothing, nothing
    ordered = np.sort(scores, -1)
    ordered = ordered - ordered.mean(-1, keepdims=True)
    size = np.arange(1, n)
    between = np.cumsum(ordered, -1)[..., :-1] ** 2 * n / (size * (n - size))
    at = between.argmax(-1)
    most = np.take_along_axis(between, at[..., None], -1)[..., 0]
    return (at + 1).astype(float), most, np.maximum(0, (ordered**2).sum(-1) - most)


def moderated_t(between: Array, within: Array, n: NDArray[np.int_]) -> Array:
    """(..., C) t of the best split of each cell of a study.

    Args:
        between: (..., C) squares between the groups of each cell.
        within: (..., C) squares within them.
        n: (C,) seeds.
    """
    df = n - 2
    prior = PRIOR if len(n) > 1 else 0
    left = np.array([_left(int(one)) for one in n])
    common = (within / (df * left)).mean(-1, keepdims=True) if prior else 0.0
    variance = (within + prior * common) / (df + prior)
    return np.sqrt(np.divide(between, variance, out=np.zeros_like(between), where=between > 0))


def adjusted(t: Array, n: NDArray[np.int_]) -> Array:
    """(..., C) p-values of the t of best splits, for all ways to split n seeds and all cells."""
    prior = PRIOR if len(n) > 1 else 0
    tail: Array = np.asarray(2 * stats.t.sf(t, n - 2 + prior))
    p: Array = np.minimum(1.0, len(n) * (2.0 ** (n - 1) - 1) * tail)
    return p


@cache
def _left(n: int) -> float:
    """What part of the variance of normal scores their best split leaves within groups; relative error .001."""
    _, _, within = split(np.random.default_rng(20231206).normal(size=(DRAWS, n)))
    return float(within.mean()) / (n - 2)


def resolution(scores: list[Array]) -> float:
    """The smallest difference of two scores that is more than rounding; 0 if all agree."""
    values = np.unique(np.concatenate(scores)) if scores else np.zeros(1)
    steps = np.diff(values)
    steps = steps[steps > 1e-12 * np.abs(values).max(initial=0)]
    return float(steps.min()) if steps.size else 0.0
