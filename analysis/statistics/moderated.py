"""Differences to a baseline when seeds are few: each has its variance, drawn to the others' as far as they agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Differences:
    """k paired differences to a baseline, for each of any number (...) of data sets.

    Attributes:
        pairs: (..., k) seeds that both cells have.
        mean: (..., k) mean difference over them; NaN without any.
        error: (..., k) standard error of the mean; NaN where nothing tells a variance.
        df: (..., k) degrees of freedom of the error.
        correlation: (...) of the means, as if all pairs of contrasts had the same.
        heterogeneity: (...) of the variances; 1 is what equal variances give on average.
    """

    pairs: Array
    mean: Array
    error: Array
    df: Array
    correlation: Array
    heterogeneity: Array


def differences(grid: Array) -> Differences:
    """Paired differences with moderated variances.

    With ``g = n - 1``, the variance of contrast i over its n seeds, ``s_i^2``, is moderated (Smyth 2004, equation 4.1):
    ``v_i = (d0 s^2 + g s_i^2) / (d0 + g)`` with ``s^2`` the mean over the contrasts. All of them share the noise of the
    baseline, ``b`` (the mean covariance of two contrasts); that part is known with g degrees of freedom whatever is
    pooled, so ``1 / df_i = r^2 / g + (1 - r^2) / (d0 + g)`` with ``r = b / v_i``, 1 at most; df is never below g.

    Smyth's estimate of d0 is infinite too readily when there are few cells. Here ``d0 = g sqrt((k - 1) / 2) / H^3``,
    between 9 / n and ``g (k - 1) min(1, k / 10)``. H is Bartlett's statistic over its mean, and ``sqrt(2 / (k - 1))``
    its standard error under equal variances. With many seeds and unequal variances d0 fades, and what is left is the
    paired t test. Exponent and limits were chosen by simulation (``benchmarks/calibration.py``).

    Args:
        grid: (..., 1 + k, seeds) scores, the baseline first; NaN where there is none. Normal errors are assumed, and
            that a seed shifts all cells alike.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return _differences(grid)


def _differences(grid: Array) -> Differences:
    pair = grid[..., 1:, :] - grid[..., :1, :]
    seen = np.isfinite(pair)
    n = seen.sum(-1).astype(float)
    k = n.shape[-1]
    mean = np.where(seen, pair, 0.0).sum(-1) / n
    deviation = np.where(seen, pair - mean[..., None], 0.0)
    g = np.maximum(n - 1, 0)
    square, total = (deviation**2).sum(-1), np.maximum(g.sum(-1), 1e-300)
    own = np.where(g > 0, square / np.maximum(g, 1), 0.0)
    pooled = square.sum(-1) / total
    # What rounding leaves of equal scores is no variance.
    size = np.where(np.isfinite(grid), grid, 0.0)
    pooled = np.where(pooled > 1e-20 * (size**2).sum((-2, -1)), pooled, np.nan)
    shared = _shared(deviation, seen, square, pooled)
    typical = total / np.maximum((g > 0).sum(-1), 1)
    heterogeneity = _heterogeneity(own, g, pooled) / (1 - np.minimum(shared / pooled, 0.95) ** 2)
    prior = _prior_df(heterogeneity, typical, n.max(-1), k)[..., None]
    value = (prior * pooled[..., None] + g * own) / (prior + g)
    common = np.clip(shared[..., None] / value, 0, 1) ** 2
    df = 1 / (common / np.maximum(g, typical[..., None] * (g == 0)) + (1 - common) / (prior + g))
    error = np.sqrt(value / n)
    return Differences(n, mean, error, df, _correlation(shared, error, seen, typical), heterogeneity)


def _shared(deviation: Array, seen: NDArray[np.bool_], square: Array, pooled: Array) -> Array:
    """(...) mean covariance of two contrasts: what the baseline contributes. Of one contrast all is shared."""
    products = (deviation.sum(-2) ** 2).sum(-1) - square.sum(-1)
    together = seen.sum(-2) * (seen.sum(-2) - 1.0)
    k = seen.shape[-2]
    df = together.sum(-1) - k * (k - 1.0)
    return np.where(df > 0, np.clip(products / np.where(df > 0, df, 1), 0, pooled), pooled)


def _heterogeneity(own: Array, g: Array, pooled: Array) -> Array:
    """Bartlett's statistic (1937) of variances (..., k) over its degrees of freedom, 1 for fewer than two."""
    used = g > 0
    k, total = used.sum(-1), np.maximum(g.sum(-1), 1)
    logarithm = np.log(np.maximum(own / pooled[..., None], 1e-12))
    statistic = -np.where(used, g * logarithm, 0.0).sum(-1)
    correction = 1 + (np.where(used, 1 / np.maximum(g, 1), 0.0).sum(-1) - 1 / total) / (3 * np.maximum(k - 1, 1))
    return np.where(k > 1, np.maximum(statistic / correction / np.maximum(k - 1, 1), 1e-3), 1.0)


def _prior_df(heterogeneity: Array, g: Array, n: Array, k: int) -> Array:
    """(...) d0: how many degrees of freedom the other contrasts are worth."""
    agreed: Array = g * np.sqrt((k - 1) / 2) / heterogeneity**3
    return np.asarray(np.minimum(np.maximum(agreed, 9 / np.maximum(n, 1)), g * (k - 1) * min(1.0, k / 10)))


def _correlation(shared: Array, error: Array, seen: NDArray[np.bool_], g: Array) -> Array:
    """(...) mean correlation of two means, 0 or more.

    Of equal variances it is 1/2; what is estimated above that is drawn back by the factor ``1 - 2 / g``, to .9 at most.
    """
    n = seen.sum(-1)
    # The covariance of two means is that of the contrasts, times the seeds they have in common, over n_i n_j.
    weight = np.where(n > 0, 1 / (n * error), 0.0)
    summed = ((np.where(seen, weight[..., None], 0.0).sum(-2)) ** 2).sum(-1) - (weight**2 * n).sum(-1)
    k = (n > 0).sum(-1)
    estimate = np.where(k > 1, shared * summed / np.maximum(k * (k - 1), 1), 0.5)
    above = np.maximum(0.0, 1 - 2 / g)
    return np.clip(np.where(estimate > 0.5, 0.5 + above * (estimate - 0.5), estimate), 0, 0.9)
