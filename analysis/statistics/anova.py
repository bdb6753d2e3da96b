"""Which factors matter: analysis of variance with seeds as blocks."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import linalg, optimize, special, stats

from analysis.statistics.absorbed import TOLERANCE, Array, Index, group_means, indicators, within

Term = tuple[str, ...]
COLUMNS = ["df", "F", "p", "omega2", "range", "omega2_low", "omega2_high", "type"]
CONFIDENCE = 0.90
PAIR = " x "  # between the factors of an interaction


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
        rows[PAIR.join(term)] = [df, f, p, omega2, _range(seen, term), low, high, model.kind]
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS).rename_axis("effect")


@dataclass(frozen=True)
class _Model:
    """What the tests of a model need; the seeds are absorbed, so that it is as large as its terms have columns.

    Attributes:
        gram: (q, q) products of all columns less what seeds explain of them; before that each has length 1.
        moment: (q,) their products with the score.
        place: columns of each term.
        left: sum of squares that the whole model leaves; NaN where there is no variance or no degree of freedom.
        df: degrees of freedom that it leaves.
        n: runs.
        kind: type of the sums of squares.
    """

    gram: Array
    moment: Array
    place: dict[Term, Index]
    left: float
    df: int
    n: int
    kind: str

    @classmethod
    def of(cls, seen: pd.DataFrame, terms: Sequence[Term]) -> "_Model":
        score, seed = seen["score"].to_numpy(float), pd.factorize(seen["seed"])[0]
        columns, place = _all_columns(seen, terms)
        length = np.sqrt(np.einsum("ij,ij->j", columns, columns))
        columns /= np.where(length > 0, length, 1.0)  # a pair of levels without a run may have a column of zeros
        columns -= group_means(columns, seed)[seed]
        gram, inside = columns.T @ columns, within(score, seed)
        kept, lower = _independent(gram)
        squares, df = _left(columns, kept, lower, inside), len(score) - seen["seed"].nunique() - len(kept)
        # What rounding leaves of equal scores is no variance.
        noise = df > 0 and squares >= 1e-20 * float(score @ score)
        left = squares if noise else float("nan")
        return cls(gram, columns.T @ inside, place, left, df, len(score), _kind(seen, terms))

    def test(self, term: Term) -> tuple[float, float, float, float]:
        """``df``, ``F``, ``p`` and ``omega2`` of a term."""
        others = [other for other in self.place if other != term]
        if self.kind == "II":
            others = [other for other in others if not set(term) <= set(other)]
        rest = np.concatenate([np.empty(0, np.intp), *(self.place[other] for other in others)])
        squares, df = self._beyond(rest, self.place[term])
        if df < 1 or np.isnan(self.left):
            return float(df), np.nan, np.nan, np.nan
        f = squares / df / (self.left / self.df)
        excess = df * (f - 1)
        return float(df), f, float(stats.f.sf(f, df, self.df)), max(0.0, excess / (excess + self.n))

    def _beyond(self, rest: Index, own: Index) -> tuple[float, int]:
        """Sum of squares and degrees of freedom that columns explain beyond the rest, by Cholesky's elimination."""
        kept, lower = _independent(self.gram[np.ix_(rest, rest)])
        known = np.c_[self.gram[np.ix_(rest[kept], own)], self.moment[rest[kept]]]
        known = linalg.solve_triangular(lower, known, lower=True)
        gram = self.gram[np.ix_(own, own)] - known[:, :-1].T @ known[:, :-1]
        kept, lower = _independent(gram)
        moment = (self.moment[own] - known[:, :-1].T @ known[:, -1])[kept]
        explained = linalg.solve_triangular(lower, moment, lower=True)
        return float(explained @ explained), len(kept)


def _independent(gram: Array) -> tuple[Index, Array]:
    """(r,) columns on which all others depend, from products (q, q); (r, r) the Cholesky factor of theirs."""
    if gram.diagonal().max(initial=0.0) <= TOLERANCE:
        return np.empty(0, np.intp), np.empty((0, 0))
    factor, order, rank, _ = linalg.lapack.dpstrf(gram, tol=TOLERANCE, lower=1)
    return order[:rank].astype(np.intp) - 1, np.tril(factor[:rank, :rank])


def _left(columns: Array, kept: Index, lower: Array, score: Array) -> float:
    """Sum of squares that columns leave of a score, of which those that are kept are independent."""
    for _ in range(2):  # the second time takes out what rounding left
        coefficient = np.zeros(columns.shape[1])
        coefficient[kept] = linalg.cho_solve((lower, True), (columns.T @ score)[kept])
        score = score - columns @ coefficient
    return float(score @ score)


def _kind(seen: pd.DataFrame, terms: Sequence[Term]) -> str:
    complete = (
        len(seen[list(term)].drop_duplicates()) == np.prod([seen[factor].nunique() for factor in term])
        for term in terms
    )
    return "III" if all(complete) else "II"


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


def _all_columns(seen: pd.DataFrame, terms: Sequence[Term]) -> tuple[Array, dict[Term, Index]]:
    """(rows, q) the columns of all terms, and the place of each term's."""
    parts = [np.empty((len(seen), 0)), *(_columns(seen, term) for term in terms)]
    ends = np.cumsum([part.shape[1] for part in parts])
    return np.hstack(parts), {term: np.arange(*ends[i : i + 2], dtype=np.intp) for i, term in enumerate(terms)}


def _columns(seen: pd.DataFrame, term: Term) -> Array:
    """(rows, product of levels - 1) the columns of a term with sum-to-zero contrasts."""
    product = np.ones((len(seen), 1))
    for factor in term:
        indicator = indicators(pd.factorize(seen[factor])[0])
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
