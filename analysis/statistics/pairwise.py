"""Every pair of cells."""

import numpy as np
import pandas as pd

from analysis.statistics.contrasts import score_grid
from analysis.statistics.families import pairs
from analysis.statistics.joint_test import joint_test


def pairwise(frame: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Difference of every pair of cells, paired by seed and adjusted for all pairs.

    The largest moderated |t| of all pairs (``JointTest``), as for the levels of a factor: neither
    equal variances nor differences that are the same with every seed are assumed.

    Args:
        frame: ``cell``, ``seed``, ``score``; rows without a score are left out.
        confidence: joint coverage of the intervals.

    Returns:
        By ``cell`` and ``other``, each pair once: ``difference`` (cell minus other), ``low``,
        ``high``, ``p``; NaN where two cells share no seed, or fewer than two.
    """
    names = list(frame["cell"].unique())
    grid, weights = score_grid(frame, names), -pairs(len(names))
    first, second = weights.argmax(1), weights.argmin(1)
    size = float(np.sqrt(np.nanmean(grid**2))) if np.isfinite(grid).any() else 0.0
    test = joint_test((grid[first] - grid[second]).T, weights, size)
    low, high = test.interval(confidence)
    index = pd.MultiIndex.from_arrays([[names[i] for i in first], [names[i] for i in second]], names=["cell", "other"])
    return pd.DataFrame({"difference": test.estimate, "low": low, "high": high, "p": test.p()}, index=index)
