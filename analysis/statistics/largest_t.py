"""Distribution of the largest moderated |t| of a family of contrasts, by a seeded simulation."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special
from scipy.stats import qmc

Array = NDArray[np.float64]

DRAWS = 12, 17  # least and most, as powers of 2
WORK = 1.5e9  # multiplications that a simulation may take: large families get fewer draws
CHUNK = 4e6  # numbers in memory at once
TINY = 1e-15  # the normal quantiles of 0 and 1 are infinite
BINS = 1_000
SEED = 20231206
# Standard deviation of the one noisy cell of the second reference, in those of the others.
NOISY = 5.0


def prior_df(seeds: Array | float) -> Array:
    """Degrees of freedom that the mean variance of a family counts for.

    ``g^2 / 12`` with g = seeds - 1, at most g: with 3 seeds a third of a degree of freedom, which
    keeps standard errors off 0; from 13 seeds on as much as the contrast's own variance.
    """
    g = np.maximum(np.asarray(seeds, dtype=float) - 1, 0)
    return np.asarray(g * np.minimum(1, g / 12))


class LargestT:
    """``M = max_k |t_k|`` of K contrasts that are measured with each of S seeds.

    ``t_k = mean_k / sqrt(v_k / S)`` with ``v_k = (d0 v + g s_k^2) / (d0 + g)``: s_k^2 is the
    variance of contrast k over the seeds, v the mean of all K, g = S - 1, and d0 = ``prior_df``
    (moderated variances, Smyth 2004, equation 4.1). A single contrast is not moderated, so that
    M is then Student's |t|.

    No formula is known for M, so it is simulated, with cells of normal noise. Two references are
    simulated, and the larger tail counts: cells of equal variance, and cells of which one has five
    times the standard deviation of the others. With 3 seeds the second is the larger one.

    In the r dimensions that the contrasts span, the mean is a direction u times a length, and the
    deviations from it are a direction w (of all S - 1 of them together) times a length. M depends
    on the lengths through their ratio only, whose square over r is F over g r, with F distributed
    as F(r, g r) and independent of u and w. So ``P(M >= t) = E[P(F >= g t^2 / slope(u, w)^2)]``,
    where ``slope`` is M for lengths of 1: only directions are drawn, and the tail is smooth however
    small it is. The error of a probability near .05 is about .0002 (measured by repetition), and
    less where the contrasts span few dimensions.
    """

    def __init__(self, weights: Array, seeds: int) -> None:
        """Simulate.

        Args:
            weights: (K, C) contrasts of C cells.
            seeds: S, 2 at least.
        """
        self.df = seeds - 1
        self.single = len(weights) == 1
        self.references: list[tuple[int, Array]] = []
        if self.single:
            return
        noisy = np.ones(weights.shape[1])
        noisy[np.abs(weights).sum(0).argmax()] = NOISY
        for scale in (np.ones(weights.shape[1]), noisy):
            root = _root(weights * scale)
            self.references.append((root.shape[1], _binned(_slopes(root, seeds))))

    def sf(self, t: Array) -> Array:
        """``P(M >= t)`` for each t; NaN for NaN."""
        t = np.asarray(t, dtype=float)
        if self.single:
            return np.asarray(2 * special.stdtr(self.df, -np.abs(t)))
        return np.asarray(np.max([self._tail(t, *reference) for reference in self.references], axis=0))

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""

        def excess(logarithm: float) -> float:
            return float(self.sf(np.exp(logarithm))) - (1 - probability)

        return float(np.exp(optimize.brentq(excess, -5.0, 25.0, xtol=1e-10)))

    def _tail(self, t: Array, rank: int, slopes: Array) -> Array:
        ratio = self.df * (t[..., None] / slopes) ** 2
        return np.asarray(special.fdtrc(rank, self.df * rank, ratio).mean(-1))


def largest_t(weights: Array, seeds: int) -> LargestT:
    """The distribution for contrasts (K, C) and so many seeds; kept, since many families are alike."""
    return _cached(weights.tobytes(), weights.shape, seeds)


@lru_cache(maxsize=256)
def _cached(weights: bytes, shape: Sequence[int], seeds: int) -> LargestT:
    return LargestT(np.frombuffer(weights).reshape(shape), seeds)


def _root(weights: Array) -> Array:
    """(K, r) whose product with its transpose is that of the weights, of rank r."""
    left, value, _ = np.linalg.svd(weights, full_matrices=False)
    kept = value > 1e-9 * value[0]
    return np.asarray(left[:, kept] * value[kept])


def _slopes(root: Array, seeds: int) -> Array:
    """(R,) M for R draws of both directions, with lengths of 1."""
    (contrasts, rank), g = root.shape, seeds - 1
    parts = min(g, rank)
    work = contrasts * rank * (parts + 1)
    draws = 2 ** int(np.clip(np.log2(WORK / work), *DRAWS))
    chunk = min(draws, 2 ** int(np.log2(max(1, CHUNK / (contrasts * (parts + 1))))))
    # Scrambled Sobol points: even over the space of both directions, so that fewer are needed.
    points = qmc.Sobol(rank + (g * rank if g <= rank else rank * (rank - 1) // 2), rng=SEED)
    rng = np.random.default_rng(SEED)
    return np.concatenate([_of_points(root, g, points.random(chunk), rng) for _ in range(draws // chunk)])


def _of_points(root: Array, g: int, points: Array, rng: np.random.Generator) -> Array:
    """(R,) the same for points of the unit cube; the generator draws what they do not give."""
    rank = root.shape[1]
    points = np.clip(points, TINY, 1 - TINY)
    direction = special.ndtri(points[:, :rank])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    rest = points[:, rank:]
    # (R, parts, r): the sum of squares over the parts is that over the seeds.
    residual = special.ndtri(rest).reshape(-1, g, rank) if g <= rank else _bartlett(g, rank, rest, rng)
    residual /= np.sqrt((residual**2).sum((1, 2), keepdims=True))
    own = ((residual @ root.T) ** 2).sum(1) / g
    prior = float(prior_df(g + 1))
    value = (prior * own.mean(1, keepdims=True) + g * own) / (prior + g)
    return np.asarray((np.abs(direction @ root.T) / np.sqrt(value)).max(1))


def _bartlett(g: int, rank: int, points: Array, rng: np.random.Generator) -> Array:
    """(R, r, r) transposed factors of Wishart matrices with g degrees of freedom (Bartlett 1933)."""
    factor = np.zeros((len(points), rank, rank))
    row, column = np.tril_indices(rank, -1)
    factor[:, row, column] = special.ndtri(points)
    place = np.arange(rank)
    factor[:, place, place] = np.sqrt(rng.chisquare(g - place, size=(len(points), rank)))
    return np.swapaxes(factor, 1, 2)


def _binned(slopes: Array) -> Array:
    """(B,) means of as many equal parts of the sorted draws, which give the same tail faster."""
    return np.array([part.mean() for part in np.array_split(np.sort(slopes), min(BINS, len(slopes)))])
