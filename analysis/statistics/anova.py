"""Which factors matter: analysis of variance with seeds as blocks."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Term = tuple[str, ...]
COLUMNS = ["df", "F", "p", "omega2", "range"]


def effects(frame: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Main effects and two-way interactions of the factors.

    ``score = seed + factors + pairs of factors + error``, by least squares. An effect's sum of squares is what it
    explains beyond the seeds and all effects that do not contain it (type II; in a complete grid every type gives the
    same), and its degrees of freedom are the columns that it adds to the rank: a combination of levels that has no run
    costs what cannot be estimated, no more. ``F`` is against the residual of the whole model.

    Partial omega squared is the share of variance that an effect explains beyond chance, of what the other effects
    leave: ``df (F - 1) / (df (F - 1) + N)`` (Olejnik and Algina 2003), cut off at 0. The p-values are not adjusted.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.

    Returns:
        By effect (``a`` or ``a x b``): ``df``, ``F``, ``p``, ``omega2`` and ``range``, the difference between the
        largest and the smallest marginal mean (of an interaction: of what is left of the means after both main
        effects). NaN where there is no residual degree of freedom, no variance, or nothing that can be estimated.
    """
    seen = frame.dropna(subset=["score"])
    varied = [factor for factor in factors if seen[factor].nunique() > 1]
    terms = [(factor,) for factor in varied] + list(itertools.combinations(varied, 2))
    rows = {" x ".join(term): [*_test(seen, term, terms), _range(seen, term)] for term in terms}
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).rename_axis("effect")


def _test(seen: pd.DataFrame, term: Term, terms: Sequence[Term]) -> tuple[float, float, float, float]:
    """``df``, ``F``, ``p`` and ``omega2`` of a term."""
    rest = [other for other in terms if not set(term) <= set(other)]
    without, with_, full = (_residual(seen, model) for model in (rest, [*rest, term], terms))
    df, df_error = without[1] - with_[1], full[1]
    score = seen["score"].to_numpy(float)
    # What rounding leaves of equal scores is no variance.
    if df < 1 or df_error < 1 or full[0] < 1e-20 * float(score @ score):
        return float(df), np.nan, np.nan, np.nan
    f = (without[0] - with_[0]) / df / (full[0] / df_error)
    excess = df * (f - 1)
    return float(df), f, float(stats.f.sf(f, df, df_error)), max(0.0, excess / (excess + len(seen)))


def _residual(seen: pd.DataFrame, terms: Sequence[Term]) -> tuple[float, int]:
    """Sum of squares and degrees of freedom that are left after the seeds and some terms."""
    columns = [_dummies(seen, ("seed",)), *(_dummies(seen, term) for term in terms)]
    design, score = np.hstack(columns), seen["score"].to_numpy(float)
    coefficient, _, rank, _ = np.linalg.lstsq(design, score, rcond=None)
    residual = score - design @ coefficient
    return float(residual @ residual), len(score) - int(rank)


def _dummies(seen: pd.DataFrame, term: Term) -> Array:
    """(rows, combinations) indicator of each combination of levels of a term that occurs."""
    group = seen.groupby(list(term), sort=False).ngroup().to_numpy()
    return np.eye(group.max() + 1)[group]


def _range(seen: pd.DataFrame, term: Term) -> float:
    means = seen.groupby(list(term), sort=False)["score"].mean()
    values = means.to_numpy()
    if len(term) == 2:
        grid = means.unstack().to_numpy()
        values = grid - np.nanmean(grid, 0, keepdims=True) - np.nanmean(grid, 1, keepdims=True) + np.nanmean(grid)
    return float(np.nanmax(values) - np.nanmin(values))
