"""Differences to a baseline when seeds are few: each has its variance, drawn to the others' as far as they agree."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.largest_t import prior_df

Array = NDArray[np.float64]
MOST_SHARE = 0.98
LEAST = 1e-12  # of the mean variance; below that it is rounding


@dataclass(frozen=True)
class Differences:
    """k paired differences to a baseline, for each of any number (...) of data sets.

    Attributes:
        pairs: (..., k) seeds that both cells have.
        mean: (..., k) mean difference over them; NaN without any.
        error: (..., k) standard error of the mean; NaN where nothing tells a variance.
        prior: (..., k) d0, degrees of freedom that the mean variance of all contrasts is counted for.
        share: (..., k) of the baseline in the variance of a difference, corrected for what few seeds hide.
        heterogeneity: (...) of the variances; 1 is what equal variances give on average.
    """

    pairs: Array
    mean: Array
    error: Array
    prior: Array
    share: Array
    heterogeneity: Array


def differences(grid: Array) -> Differences:
    """Paired differences with moderated variances.

    With ``g = n - 1``, the variance of contrast i over its n seeds, ``s_i^2``, is moderated (Smyth 2004, equation 4.1):
    ``v_i = (d0 s^2 + g s_i^2) / (d0 + g)`` with ``s^2`` the mean over the contrasts. Smyth's estimate of d0 is
    infinite too readily when there are few cells. Here ``d0 = g min(1, g / 12) / max(1, H^2)``, with H Bartlett's
    statistic over its mean under equal variances. So with 3 seeds ``s^2`` counts for a third of a degree of freedom:
    that keeps errors off 0, whose being near it is what costs paired t tests their power, and no noisy cell is drawn
    far down, which nothing would tell from a quiet one. With 13 seeds or more it counts as much as the contrast's own
    variance, and wherever the variances differ, less.

    All contrasts share the noise of the baseline, b (the mean covariance of two contrasts): ``share`` is ``b / s^2``
    with its odds times ``1 + 8 / (n - 2)^2``. What looks significant is mostly what chance gave a small variance of
    the baseline, so there b is too small, the more the fewer the seeds. The forms of d0 and of this factor were chosen
    by simulation (``benchmarks/calibration``).

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
    mean = np.where(seen, pair, 0.0).sum(-1) / n
    deviation = np.where(seen, pair - mean[..., None], 0.0)
    g = np.maximum(n - 1, 0)
    square, total = (deviation**2).sum(-1), np.maximum(g.sum(-1), 1e-300)
    pooled = square.sum(-1) / total
    # What rounding leaves of equal scores is no variance.
    size = np.where(np.isfinite(grid), grid, 0.0)
    pooled = np.where(pooled > 1e-20 * (size**2).sum((-2, -1)), pooled, np.nan)
    # A single seed tells no variance: it gets that of the others.
    own = np.where(g > 0, square / np.maximum(g, 1), pooled[..., None])
    shared = _shared(deviation, seen, square, pooled) / pooled
    heterogeneity = _heterogeneity(own, g, pooled) / (1 - np.minimum(shared, 0.95) ** 2)
    prior = prior_df(np.maximum(n, 2)) / np.maximum(1, heterogeneity[..., None] ** 2)
    value = (prior * pooled[..., None] + g * own) / (prior + g)
    share = _share(shared[..., None], n) * _overlap(seen, n)
    return Differences(n, mean, np.sqrt(value / n), prior, share, heterogeneity)


def _share(shared: Array, n: Array) -> Array:
    odds = (1 + 8 / np.maximum(n - 2, 0.5) ** 2) * shared / (1 - shared)
    return np.minimum(np.where(shared < 1, odds / (1 + odds), 1.0), MOST_SHARE)


def _overlap(seen: NDArray[np.bool_], n: Array) -> Array:
    """(..., k) mean over the other contrasts of ``n_ij / sqrt(n_i n_j)``, n_ij seeds in common; 1 if none is missing.

    That part of the correlation which the baseline makes is left where two contrasts do not have the same seeds.
    """
    root = np.sqrt(n)
    per_seed = np.where(seen, 1 / np.maximum(root, 1)[..., None], 0.0).sum(-2, keepdims=True)
    others = np.maximum((n > 0).sum(-1, keepdims=True) - 1, 1)
    together = np.where(seen, per_seed, 0.0).sum(-1) - root
    return np.where(n.shape[-1] > 1, np.clip(together / np.maximum(root, 1) / others, 0, 1), 1.0)


def _shared(deviation: Array, seen: NDArray[np.bool_], square: Array, pooled: Array) -> Array:
    """(...) mean covariance of two contrasts: what the baseline contributes. Of one contrast all is shared."""
    products = (deviation.sum(-2) ** 2).sum(-1) - square.sum(-1)
    together = seen.sum(-2) * (seen.sum(-2) - 1.0)
    k = seen.shape[-2]
    df = together.sum(-1) - k * (k - 1.0)
    return np.where(df > 0, np.clip(products / np.where(df > 0, df, 1), 0, pooled), pooled)


def _heterogeneity(own: Array, g: Array, pooled: Array) -> Array:
    """Bartlett's statistic (1937) of variances (..., k) over its degrees of freedom, 1 for fewer than two.

    Without those of differences that are all the same, as those of a setting that is inert.
    """
    used = (g > 0) & (own > LEAST * pooled[..., None])
    k, total = used.sum(-1), np.maximum(np.where(used, g, 0.0).sum(-1), 1)
    mean = np.where(used, g * own, 0.0).sum(-1) / total
    logarithm = np.log(np.where(used, own / mean[..., None], 1.0))
    statistic = -np.where(used, g * logarithm, 0.0).sum(-1)
    correction = 1 + (np.where(used, 1 / np.maximum(g, 1), 0.0).sum(-1) - 1 / total) / (3 * np.maximum(k - 1, 1))
    return np.where(k > 1, np.maximum(statistic / correction / np.maximum(k - 1, 1), 1e-3), 1.0)
