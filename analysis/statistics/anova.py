"""Which factors matter: analysis of variance with seeds as blocks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]
Term = tuple[str, ...]
COLUMNS = ["df", "F", "p", "omega2", "range", "omega2_low", "omega2_high", "type"]
CONFIDENCE = 0.90


def effects(frame: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Main effects and two-way interactions of the factors.

    ``score = seed + factors + pairs of factors + error``, by least squares, with sum-to-zero contrasts. An effect's sum
    of squares is what it explains beyond everything else in the model (type III: the hypothesis that all marginal means
    are equal, each combination of levels weighted alike). In a complete grid every type gives the same. If a pair of
    levels has no run at all, type III tests nothing of interest and depends on the coding; then it is what the effect
    explains beyond the seeds and all effects that do not contain it (type II), and its degrees of freedom are the
    columns that it adds to the rank. ``F`` is against the residual of the whole model.

    Partial omega squared is the share of variance that an effect explains beyond chance, of what the other effects
    leave: ``df (F - 1) / (df (F - 1) + N)`` (Olejnik and Algina 2003), cut off at 0. Its 90 % interval is
    ``l / (l + N)`` for the noncentralities l of which F is the upper and the lower 5 % point (Steiger 2004, equation
    12): it excludes 0 if and only if p < .05. The p-values are not adjusted.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.

    Returns:
        By effect (``a`` or ``a x b``): ``df``, ``F``, ``p``, ``omega2``, ``range``, the difference between the largest
        and the smallest mean over runs (of an interaction: of what is left of the means after both main effects),
        ``omega2_low``, ``omega2_high`` and ``type``. NaN where there is no residual degree of freedom, no variance, or
        nothing that can be estimated.
    """
    seen = frame.dropna(subset=["score"])
    varied = [factor for factor in factors if seen[factor].nunique() > 1]
    terms: list[Term] = [(factor,) for factor in varied] + list(itertools.combinations(varied, 2))
    model = _Model.of(seen, terms)
    rows = {}
    for term in terms:
        df, f, p, omega2 = model.test(term)
        low, high = omega_interval(f, df, model.df, len(seen))
        rows[" x ".join(term)] = [df, f, p, omega2, _range(seen, term), low, high, model.kind]
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).rename_axis("effect")


@dataclass(frozen=True)
class _Model:
    """All terms of a model as columns, what they leave of the score, and of which type its sums of squares are."""

    score: Array
    seeds: Array
    columns: dict[Term, Array]
    left: float
    df: int
    kind: str

    @classmethod
    def of(cls, seen: pd.DataFrame, terms: Sequence[Term]) -> "_Model":
        score, seeds = seen["score"].to_numpy(float), _indicators(seen, "seed")
        columns = {term: _columns(seen, term) for term in terms}
        left, df = _residual(score, [seeds, *columns.values()])
        complete = all(
            len(seen[list(term)].drop_duplicates()) == np.prod([seen[factor].nunique() for factor in term])
            for term in terms
        )
        return cls(score, seeds, columns, left, df, "III" if complete else "II")

    def test(self, term: Term) -> tuple[float, float, float, float]:
        """``df``, ``F``, ``p`` and ``omega2`` of a term."""
        others = [other for other in self.columns if other != term]
        if self.kind == "II":
            others = [other for other in others if not set(term) <= set(other)]
        rest = [self.seeds, *(self.columns[other] for other in others)]
        without, with_ = _residual(self.score, rest), _residual(self.score, [*rest, self.columns[term]])
        df = without[1] - with_[1]
        # What rounding leaves of equal scores is no variance.
        if df < 1 or self.df < 1 or self.left < 1e-20 * float(self.score @ self.score):
            return float(df), np.nan, np.nan, np.nan
        f = (without[0] - with_[0]) / df / (self.left / self.df)
        excess = df * (f - 1)
        return float(df), f, float(stats.f.sf(f, df, self.df)), max(0.0, excess / (excess + len(self.score)))


def omega_interval(f: float, df: float, df_error: float, n: int) -> tuple[float, float]:
    """90 % interval of the share of variance, from F and the number of runs."""
    if not np.isfinite(f):
        return np.nan, np.nan

    def noncentrality(probability: float) -> float:
        if special.fdtr(df, df_error, f) <= probability:
            return 0.0
        high = 1.0
        while special.ncfdtr(df, df_error, high, f) > probability:
            high *= 2
        return float(optimize.brentq(lambda x: special.ncfdtr(df, df_error, x, f) - probability, 0.0, high))

    low, high = (noncentrality((1 + side * CONFIDENCE) / 2) for side in (1, -1))
    return low / (low + n), high / (high + n)


def _residual(score: Array, columns: Sequence[Array]) -> tuple[float, int]:
    """Sum of squares and degrees of freedom that some columns leave."""
    design = np.hstack(columns)
    coefficient, _, rank, _ = np.linalg.lstsq(design, score, rcond=None)
    residual = score - design @ coefficient
    return float(residual @ residual), len(score) - int(rank)


def _indicators(seen: pd.DataFrame, column: str) -> Array:
    """(rows, levels) indicator of each level."""
    code, levels = pd.factorize(seen[column])
    return np.eye(len(levels))[code]


def _columns(seen: pd.DataFrame, term: Term) -> Array:
    """(rows, product of levels - 1) the columns of a term with sum-to-zero contrasts."""
    product = np.ones((len(seen), 1))
    for factor in term:
        indicator = _indicators(seen, factor)
        centred = indicator[:, :-1] - indicator[:, -1:]
        product = (product[:, :, None] * centred[:, None, :]).reshape(len(seen), -1)
    return product


def _range(seen: pd.DataFrame, term: Term) -> float:
    means = seen.groupby(list(term), sort=False)["score"].mean()
    values = means.to_numpy()
    if len(term) == 2:
        grid = means.unstack().to_numpy()
        values = grid - np.nanmean(grid, 0, keepdims=True) - np.nanmean(grid, 1, keepdims=True) + np.nanmean(grid)
    return float(np.nanmax(values) - np.nanmin(values))
