"""What a number of seeds can show: power, the smallest detectable effect, the seeds that an effect needs.

Plain numbers, numpy and scipy: it is asked before the runs and after them.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Array = NDArray[np.float64]
MOST_SEEDS = 1000


def power(effect: float, sd: float, seeds: int, comparisons: int = 1, alpha: float = 0.05) -> float:
    """Probability that the default test finds one true difference of a cell to the baseline.

    ``t = difference / (sd sqrt(2 / n))`` is noncentral t with noncentrality ``effect / (sd sqrt(2 / n))``. For k
    comparisons the critical value is Sidak's, ``alpha' = 1 - (1 - alpha)^(1/k)``, slightly above Dunnett's, and the
    degrees of freedom ``(n - 1) (1 + log2(k) / 5)`` stand for what the moderated variances gain when variances are
    equal, fitted to simulations with 3 to 10 seeds. For one comparison it is the paired t test. So it is the power of
    the first step, and for many seeds and comparisons a little low: by .05 for 10 and 63.

    Args:
        effect: true difference, in units of the score.
        sd: standard deviation of a score that neither cell nor seed explains (``noise`` of past runs).
        seeds: n, the same in every cell.
        comparisons: k, cells beside the baseline.
        alpha: family-wise error rate.
    """
    if seeds < 2:
        return 0.0
    df, level = _df(seeds, comparisons), 1 - (1 - alpha) ** (1 / comparisons)
    critical = -float(special.stdtrit(df, level / 2))
    shift = abs(effect) / (sd * math.sqrt(2 / seeds))
    return 1 - noncentral_t(critical, df, shift) + noncentral_t(-critical, df, shift)


def noise(grid: Array) -> float | None:
    """Standard deviation of what neither cell nor seed explains, of (C, S) scores; None for a single cell or seed.

    ``sqrt(sum_cs (y_cs - y_c. - y_.s + y_..)^2 / ((C - 1) (S - 1)))``: the residual of ``y = cell + seed``.
    """
    df = (grid.shape[0] - 1) * (grid.shape[1] - 1)
    if df < 1:
        return None
    residual = grid - grid.mean(0) - grid.mean(1, keepdims=True) + grid.mean()
    return float(np.sqrt((residual**2).sum() / df))


def detectable(sd: float, seeds: int, comparisons: int = 1, target: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest true difference that is found with the target probability, in units of the score; inf for one seed."""
    if seeds < 2:
        return math.inf
    # In units of sd; beyond 1e4 of them only a test at an absurd alpha would look.
    standard = optimize.brentq(lambda effect: power(effect, 1.0, seeds, comparisons, alpha) - target, 0.0, 1e4)
    return sd * float(standard)


def seeds_needed(
    effect: float, sd: float, comparisons: int = 1, target: float = 0.8, alpha: float = 0.05
) -> int | None:
    """Fewest seeds with which the effect is found with the target probability; None if 1000 do not suffice."""
    low, high = 1, MOST_SEEDS
    if power(effect, sd, high, comparisons, alpha) < target:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, sd, middle, comparisons, alpha) >= target else (middle, high)
    return high


def noncentral_t(t: float, df: float, shift: float) -> float:
    """``P((Z + shift) / S <= t) = E Phi(t S - shift)``, Z normal, ``S^2 = chi2_df / df``, by Gauss quadrature.

    scipy's ``nct`` is NaN at some arguments that matter here (1.17, in the lower tail).
    """
    s, weight = _chi(df)
    return float(special.ndtr(t * s - shift) @ weight)


@functools.cache
def _chi(df: float) -> tuple[Array, Array]:
    """Nodes and weights with which a sum is an expectation over S."""
    low, high = (math.sqrt(2 * inverse(df / 2, 1e-14)) for inverse in (special.gammaincinv, special.gammainccinv))
    node, weight = np.polynomial.legendre.leggauss(200)
    s = low + (high - low) * (node + 1) / 2
    log_density = (df - 1) * np.log(s) - s**2 / 2  # of chi, up to a constant that the sum takes out
    density = weight * np.exp(log_density - log_density.max())
    return s / math.sqrt(df), density / density.sum()


def _df(seeds: int, comparisons: int) -> float:
    return (seeds - 1) * (1 + math.log2(comparisons) / 5)
