"""Least squares with a factor of many levels taken out first, so that what is solved has the size of the rest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]
# Of a column's sum of squares, what is left after the others if rounding is all of it. Columns are zeros, ones and
# contrasts of them: what a single one of 10,000 runs tells is a million times as much.
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Absorbed:
    """Least squares of ``score = group + columns + error`` for N runs in G groups, whichever of them there are.

    Estimates and residuals are those of a fit with an indicator for each group; they come from scores and columns less
    their means in the group (Frisch and Waugh 1933; Lovell 1963).

    Attributes:
        group: (N,) of each run, as an index.
        count: (G,) runs of each group.
        within: (N, q) columns less their means in the group.
        means: (G, q) these means.
        root: (q, r) whose product with its transpose inverts ``within' within``, of rank r.
        df: degrees of freedom of the residual.
    """

    group: Index
    count: Array
    within: Array
    means: Array
    root: Array
    df: int

    def estimate(self, score: Array, of_groups: Array, of_columns: Array) -> Array:
        """(k,) estimates of sums of coefficients: (k, G) of the groups and (k, q) of the columns; NaN without any."""
        coefficient = self.root @ (self.root.T @ (self.within.T @ score))
        adjusted = of_columns - of_groups @ self.means
        found = of_groups @ group_means(score, self.group) + adjusted @ coefficient
        reached = adjusted @ self.root @ (self.root.T @ (self.within.T @ self.within))
        return np.where(np.isclose(reached, adjusted, atol=1e-8).all(1), found, np.nan)

    def factor(self, of_groups: Array, of_columns: Array) -> Array:
        """(k, G + r) whose product with its transpose is their covariance, if the variance of the error is 1."""
        adjusted = of_columns - of_groups @ self.means
        return np.hstack([of_groups / np.sqrt(self.count), adjusted @ self.root])

    def residual(self, score: Array) -> Array:
        """What groups and columns leave of the scores (N,)."""
        left = within(score, self.group)
        for _ in range(2):  # the second time takes out what rounding left
            left = left - self.within @ (self.root @ (self.root.T @ (self.within.T @ left)))
        return left

    def variance(self, score: Array) -> float:
        """Variance of the error; 0 where rounding is all that there is of it."""
        left = self.residual(score)
        squares = float(left @ left)
        return squares / max(self.df, 1) if squares > 1e-20 * float(score @ score) else 0.0


def absorb(group: Index, columns: Array) -> Absorbed:
    """Set up the fit.

    Args:
        group: (N,) of each run, as an index; every one from 0 to the largest occurs.
        columns: (N, q); they may depend on one another and on the groups.
    """
    means = group_means(columns, group)
    inside = columns - means[group]
    unit = 1 / np.sqrt((columns**2).sum(0))
    value, vector = np.linalg.eigh((inside.T @ inside) * np.outer(unit, unit))
    kept = value > TOLERANCE
    root = unit[:, None] * vector[:, kept] / np.sqrt(value[kept])
    df = len(columns) - len(means) - int(kept.sum())
    return Absorbed(group, np.bincount(group).astype(float), inside, means, root, df)


def group_means(values: Array, group: Index) -> Array:
    """(G, ...) mean of values (N, ...) in each group."""
    order = np.argsort(group, kind="stable")
    count = np.bincount(group)
    sums = np.add.reduceat(values[order], np.cumsum(count) - count, axis=0)
    return np.asarray((sums.T / count).T)


def within(values: Array, group: Index) -> Array:
    """Values (N, ...) less their mean in the group."""
    return np.asarray(values - group_means(values, group)[group])


def indicators(code: Index) -> Array:
    """(N, levels) indicator of each level, given as an index."""
    return np.eye(int(code.max()) + 1)[code]
