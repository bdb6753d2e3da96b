"""Cells over several data sets, by their ranks."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.selection import Direction

Array = NDArray[np.float64]
DRAWS, SEED = 20_000, 1937


@dataclass(frozen=True)
class Friedman:
    """Are some cells ranked better than others?

    Attributes:
        statistic: Friedman's chi squared, corrected for ties; NaN if every data set ties all cells.
        df: its degrees of freedom.
        p: of its chi-squared approximation.
        p_permutation: share of permutations within data sets with a statistic as large; right with few data sets too.
        p_least: that the ranks could reach with as many data sets and cells: if all of them agreed.
    """

    statistic: float
    df: int
    p: float
    p_permutation: float
    p_least: float


def ranks(scores: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Rank of each cell on each data set, 1 the best; ties share their mean rank.

    Args:
        scores: a row for each data set, a column for each cell.
        direction: which is better.
    """
    return scores.rank(axis=1, ascending=direction == "min")


def friedman(ranked: pd.DataFrame) -> Friedman:
    """Friedman's test with data sets as blocks (Demsar 2006, section 3.2.2).

    ``(k - 1) sum_j (R_j - N (k + 1) / 2)^2 / (sum_ij r_ij^2 - N k (k + 1)^2 / 4)`` with rank sums R_j, which without
    ties is ``12 / (N k (k + 1)) sum_j R_j^2 - 3 N (k + 1)``. Seeds are no blocks: runs of one data set do not say what
    holds on another, so each data set counts once, with the mean over its seeds.

    Args:
        ranked: a row for each of the N data sets, a column for each of the k cells.
    """
    rank = ranked.to_numpy(float)
    blocks, k = rank.shape
    spread = float((rank**2).sum()) - blocks * k * (k + 1) ** 2 / 4
    if spread < 1e-9:
        return Friedman(float("nan"), k - 1, float("nan"), float("nan"), _least(blocks, k))

    def statistic(sums: Array) -> Array:
        return np.asarray((k - 1) * ((sums - blocks * (k + 1) / 2) ** 2).sum(-1) / spread)

    observed = float(statistic(rank.sum(0)))
    sums = np.zeros((DRAWS, k))
    rng = np.random.default_rng(SEED)
    for row in rank:
        sums += rng.permuted(np.tile(row, (DRAWS, 1)), axis=1)
    as_large = int((statistic(sums) >= observed - 1e-9).sum())
    p = float(stats.chi2.sf(observed, k - 1))
    return Friedman(observed, k - 1, p, (as_large + 1) / (DRAWS + 1), _least(blocks, k))


def _least(blocks: int, k: int) -> float:
    """All k! orders of the first data set, each with the others in agreement, out of all."""
    return math.exp((1 - blocks) * math.lgamma(k + 1))


def nemenyi(ranked: pd.DataFrame) -> pd.DataFrame:
    """P-values of all pairs of cells, adjusted for all pairs (Nemenyi 1963).

    ``P(Q_k >= sqrt(2) |r_i - r_j| / sqrt(k (k + 1) / (6 N)))`` for mean ranks r and the studentized range Q_k with
    infinite degrees of freedom.

    Args:
        ranked: a row for each of the N data sets, a column for each of the k cells.

    Returns:
        (k, k), 1 on the diagonal.
    """
    blocks, k = ranked.shape
    mean = ranked.mean().to_numpy(float)
    q = np.abs(mean[:, None] - mean[None, :]) / _error(k, blocks)
    p = np.where(np.eye(k, dtype=bool), 1.0, stats.studentized_range.sf(q * 2**0.5, k, np.inf))
    return pd.DataFrame(p, ranked.columns, ranked.columns)


def critical_difference(k: int, blocks: int, alpha: float = 0.05) -> float:
    """Difference of mean ranks from which two of k cells differ: ``q_alpha sqrt(k (k + 1) / (6 N))`` (Demsar 2006)."""
    return float(stats.studentized_range.ppf(1 - alpha, k, np.inf)) / 2**0.5 * _error(k, blocks)


def _error(k: int, blocks: int) -> float:
    return float((k * (k + 1) / (6 * blocks)) ** 0.5)
