"""Distribution of the range of several means, as all pairs of them need."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.statistics.quadrature import normal, power, spread

Array = NDArray[np.float64]


class StudentizedRange:
    """``Q = (max_i Z_i - min_i Z_i) / S`` for k independent normal Z and ``S^2 = chi2_df / df``.

    ``P(Q < q) = E_S[k int phi(z) (Phi(z) - Phi(z - q S))^(k - 1) dz]``, z being the largest (Tukey 1953), by Gauss
    quadrature. Scipy's is the same by adaptive integration, which takes much longer.
    """

    def __init__(self, k: int, df: float) -> None:
        """K means, their variance with df degrees of freedom."""
        self.k, self.df = k, df
        self.z, self.z_weight = normal()
        self.scale, self.weight = spread(df)

    def sf(self, q: Array) -> Array:
        """``P(Q >= q)`` for each q, 0 or more."""
        return np.clip([1 - self._cdf(float(x)) for x in np.atleast_1d(q)], 0, 1)

    def quantile(self, probability: float) -> float:
        """The value that Q stays below with a probability."""
        pairs = self.k * (self.k - 1) / 2
        # Twice what Bonferroni's inequality needs: Q exceeds that less often.
        most = 2 * 2**0.5 * float(special.stdtrit(self.df, 1 - (1 - probability) / (2 * pairs)))
        return float(optimize.brentq(lambda q: self._cdf(q) - probability, 0.0, most))

    def _cdf(self, q: float) -> float:
        z = self.z[:, None]
        inside = special.ndtr(z) - special.ndtr(z - q * self.scale)
        return float(self.k * (self.z_weight @ power(inside, self.k - 1) @ self.weight))
