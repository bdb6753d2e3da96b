"""Distribution of the largest of several moderated t statistics that share a baseline."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.statistics.quadrature import noncentral, normal, power, spread

Array = NDArray[np.float64]
NODES = 20


class ModeratedMaxT:
    """``M = max_i |T_i|`` of k contrasts with one baseline, if all contrasts have the same variance, here 1.

    Of that the baseline has the share r. Given its mean and its sample variance ``b = r chi2_g / g``, the contrasts are
    independent (as in Dunnett 1955): contrast i is normal around that mean with variance 1 - r, and ``g s_i^2`` over
    1 - r is noncentral ``chi2_g(g b / (1 - r))``, since the noise of the baseline is in every paired difference. Its
    ``v_i`` is ``(d s^2 + g s_i^2) / (d + g)``, where ``s^2`` has its mean for the other k - 1 contrasts, b + 1 - r. All
    is integrated out by Gauss quadrature. Of one contrast it is Student's t with g degrees of freedom.

    In v_i d0 is estimated, from k variances. For that it counts less here: ``d = d0 (k - 1) / (k + 1 + 4 / g)``.
    """

    def __init__(self, k: int, seeds: int, prior: float, share: float) -> None:
        """K contrasts over as many seeds, 2 at least, with ``d0`` and r, which must be below 1."""
        self.k, self.df = k, seeds - 1
        self.shift, self.z_weight, baseline, self.weight, own, self.own_weight = _given(seeds, share)
        count = prior * (k - 1) / (k + 1 + 4 / self.df)
        pooled = own / k + (1 - 1 / k) * (baseline + 1 - share)[:, None]
        self.scale = np.sqrt((count * pooled + self.df * own) / (count + self.df) / (1 - share))

    def sf(self, t: float, m: int) -> float:
        """``P(M >= t)`` for m of the contrasts."""
        if self.k == 1:
            return float(2 * special.stdtr(self.df, -t))
        reach = t * self.scale
        between = special.ndtr(self.shift + reach) - special.ndtr(self.shift - reach)
        return float(1 - self.z_weight @ power((between * self.own_weight).sum(-1), m) @ self.weight)

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""

        def excess(logarithm: float) -> float:
            return 1 - probability - self.sf(float(np.exp(logarithm)), self.k)

        return float(np.exp(optimize.brentq(excess, -4.0, 20.0, xtol=1e-9)))


@lru_cache(maxsize=256)
def max_moderated(k: int, seeds: int, prior: float, share: float) -> ModeratedMaxT:
    """One for each set of arguments: most contrasts of a study have the same."""
    return ModeratedMaxT(k, seeds, prior, share)


@lru_cache(maxsize=64)
def _given(seeds: int, share: float) -> tuple[Array, Array, Array, Array, Array, Array]:
    """What does not depend on k: nodes and weights of the baseline's mean, of its variance, and of s_i^2 given that."""
    g, rest = seeds - 1, 1 - share
    z, z_weight = (values[len(values) // 2 :] for values in normal(4 * NODES))
    root, weight = spread(g, NODES)
    chi, own_weight = noncentral(g, g * share * root**2 / rest, NODES)
    # Below 0 all is the same as above.
    return (
        np.sqrt(share / rest) * z[:, None, None],
        2 * z_weight,
        share * root**2,
        weight,
        rest * chi**2 / g,
        own_weight,
    )
