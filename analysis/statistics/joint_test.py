"""The test of a family of contrasts that are measured with each seed: the largest moderated |t|."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.largest_t import LargestT, largest_t, prior_df

Array = NDArray[np.float64]
ROUNDING = 1e-20  # of the squares of the scores; a variance below that is rounding


@dataclass(frozen=True)
class JointTest:
    """Estimates of K contrasts with p-values and intervals that hold for all K together.

    Attributes:
        seeds: (K,) seeds from which each contrast can be estimated.
        estimate: (K,) mean over these seeds; NaN without any.
        error: (K,) standard error, of a moderated variance; NaN with fewer than two seeds, and
            where the estimates do not vary.
        weights: (K, C) contrasts of cells that the estimates stand for; those that are tested give
            the distribution of the largest |t|.
    """

    seeds: NDArray[np.int64]
    estimate: Array
    error: Array
    weights: Array

    @property
    def t(self) -> Array:
        """(K,) estimate over error."""
        return np.asarray(self.estimate / self.error)

    def p(self) -> Array:
        """(K,) single-step p-values: ``P(max_j |t_j| >= |t_k|)`` if there is no effect at all."""
        p = np.full(len(self.seeds), np.nan)
        for tested, largest in self._families():
            p[tested] = largest.sf(np.abs(self.t[tested]))
        return p

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """(K,) ends of joint intervals: they exclude 0 if and only if p < 1 - confidence."""
        half = np.full(len(self.seeds), np.nan)
        for tested, largest in self._families():
            half[tested] = largest.quantile(confidence) * self.error[tested]
        return self.estimate - half, self.estimate + half

    def _families(self) -> list[tuple[NDArray[np.bool_], LargestT]]:
        """Contrasts with equally many seeds, and the distribution as if the whole family had those."""
        tested = np.isfinite(self.error)
        return [
            (tested & (self.seeds == seeds), largest_t(self.weights[tested], int(seeds)))
            for seeds in np.unique(self.seeds[tested])
        ]


def joint_test(values: Array, weights: Array, size: float) -> JointTest:
    """Test whether contrasts differ from 0 over the seeds.

    With ``g_k = n_k - 1`` the variance of contrast k over its n_k seeds, ``s_k^2``, is moderated
    by the mean of all, v: ``v_k = (d0 v + g_k s_k^2) / (d0 + g_k)``; see ``LargestT``. A family of
    one contrast is the paired t-test. Normal errors and independent seeds are assumed, but neither
    equal variances nor contrasts that do the same with every seed.

    Args:
        values: (S, K) each contrast as estimated with each seed; NaN where it cannot be.
        weights: (K, C) what the contrasts are of cells.
        size: of the scores; what varies by less than rounding does not vary.
    """
    seen = np.isfinite(values)
    n = seen.sum(0)
    g = np.maximum(n - 1, 0)
    estimate = np.where(seen, values, 0.0).sum(0) / np.where(n > 0, n, np.nan)
    squares = (np.where(seen, values - estimate, 0.0) ** 2).sum(0)
    pooled = squares.sum() / max(int(g.sum()), 1)
    if not pooled > ROUNDING * size**2:
        return JointTest(n, estimate, np.full(len(n), np.nan), weights)
    own = squares / np.where(g > 0, g, np.nan)
    prior = prior_df(n) if (g > 0).sum() > 1 else np.zeros(len(n))
    variance = (prior * pooled + g * own) / (prior + g)
    return JointTest(n, estimate, np.sqrt(variance / n), weights)
