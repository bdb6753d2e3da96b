"""Every pair of cells, if all have the same variance: Tukey's test with seeds as blocks."""

import itertools

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.blocked import Blocked, blocked
from analysis.statistics.dunnett import COLUMNS, joint_tests
from analysis.statistics.studentized_range import StudentizedRange

Array = NDArray[np.float64]


def tukey(frame: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of every pair of cells, adjusted for all pairs.

    The linear model ``score = cell + seed + error`` with one variance. If every cell has every seed,
    ``sqrt(2) |difference| / se`` is referred to the studentized range of C means (Tukey 1953); otherwise the largest
    |t| of all pairs is simulated from their joint t distribution (Hothorn, Bretz and Westfall 2008, section 3). So
    p < 1 - confidence if and only if the interval excludes 0.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        confidence: joint coverage of the intervals.

    Returns:
        By ``cell`` and ``other``, each pair once: ``difference`` (cell minus other), ``low``, ``high``, ``p``; NaN as
        in ``dunnett``.
    """
    names = list(frame["cell"].unique())
    pairs = pd.MultiIndex.from_tuples(list(itertools.combinations(names, 2)), names=["cell", "other"])
    seen = frame.dropna(subset=["score"])
    seen = seen.sort_values("cell", key=lambda cells: cells.map(names.index), kind="stable")
    if seen["cell"].nunique() < 2:
        return pd.DataFrame(np.nan, index=pairs, columns=COLUMNS)
    fit, score = blocked(seen), seen["score"].to_numpy(float)
    member = np.eye(len(fit.cells))
    contrast = np.array([first - second for first, second in itertools.combinations(member, 2)])
    exact = _by_range(fit, score, contrast, confidence) if _complete(seen) else None
    joint = joint_tests(fit, score, contrast, confidence) if exact is None else exact
    joint.index = pd.MultiIndex.from_tuples(list(itertools.combinations(fit.cells, 2)), names=pairs.names)
    return joint.reindex(pairs)


def _complete(seen: pd.DataFrame) -> bool:
    counts = seen.groupby(["cell", "seed"]).size()
    return len(counts) == seen["cell"].nunique() * seen["seed"].nunique() and counts.nunique() == 1


def _by_range(fit: Blocked, score: Array, contrast: Array, confidence: float) -> pd.DataFrame | None:
    """Exact, for complete data; None where there is no variance to test with."""
    variance = fit.variance(score)
    if fit.df < 1 or variance == 0:
        return None
    difference, error = fit.estimate(score, contrast), np.sqrt(variance * (fit.factor(contrast) ** 2).sum(1))
    largest = StudentizedRange(len(fit.cells), fit.df)
    half = largest.quantile(confidence) / 2**0.5 * error
    p = largest.sf(2**0.5 * np.abs(difference) / error)
    return pd.DataFrame({"difference": difference, "low": difference - half, "high": difference + half, "p": p})
