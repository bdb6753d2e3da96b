"""Distribution of the largest of several moderated t statistics that share a baseline."""

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.statistics.quadrature import noncentral, normal, power, spread

Array = NDArray[np.float64]
NODES = 20
DEGREE = 200  # of the polynomials that stand for many values


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

    def sf(self, t: Array, m: int) -> Array:
        """``P(M >= t_j)`` for m of the contrasts, of each of the values (J,) from 0 on."""
        if self.k == 1:
            return np.asarray(2 * special.stdtr(self.df, -t))
        given = self._interpolated(t) if len(t) > DEGREE else self._given_baseline(t)
        return np.clip(1 - self.z_weight @ power(given, m) @ self.weight, 0, 1)

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""

        def excess(logarithm: float) -> float:
            return 1 - probability - float(self.sf(np.exp([logarithm]), self.k)[0])

        return float(np.exp(optimize.brentq(excess, -4.0, 20.0, xtol=1e-9)))

    def _given_baseline(self, t: Array) -> Array:
        """(J, Z, B) probability that one contrast stays below t, given the baseline's mean and variance."""
        given = np.empty((len(t), len(self.z_weight), len(self.weight)))
        for j, value in enumerate(t):
            reach = value * self.scale
            between = special.ndtr(self.shift + reach) - special.ndtr(self.shift - reach)
            given[j] = (between * self.own_weight).sum(-1)
        return given

    def _interpolated(self, t: Array) -> Array:
        """The same of many values, which costs as much as of DEGREE.

        The probability is analytic in t and, as a tail of t statistics, in 1 / t. So its Chebyshev interpolant in
        ``x = (t - 1) / (t + 1)``, from -1 to 1, converges geometrically: p is wrong by 1e-9, with two
        seeds and a share of .9 by 5e-7.
        """
        node = chebyshev.chebpts1(DEGREE + 1)
        at_node = self._given_baseline((1 + node) / (1 - node)).reshape(DEGREE + 1, -1)
        # The polynomials are orthogonal on the nodes.
        coefficients = 2 / (DEGREE + 1) * chebyshev.chebvander(node, DEGREE).T @ at_node
        coefficients[0] /= 2
        given = chebyshev.chebvander(1 - 2 / (t + 1), DEGREE) @ coefficients
        return np.asarray(given.reshape(len(t), len(self.z_weight), len(self.weight)))


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
