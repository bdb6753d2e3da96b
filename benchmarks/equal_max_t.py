"""Distribution of the largest |t| in Dunnett's test (1955), with which the default is compared."""

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from analysis.statistics.quadrature import normal, power, spread

Array = NDArray[np.float64]


class EqualMaxT:
    """Exact, for equal correlations, as those of comparisons with one control in a balanced design (rho = 1/2).

    ``T_i = (sqrt(1 - rho) Z_i - sqrt(rho) Z_0) / S`` with independent normal Z and ``S^2 = chi2_df / df``, so that
    given Z_0 and S the T_i are independent (Dunnett 1955, equation 5). Both are integrated out by Gauss quadrature.
    """

    def __init__(self, k: int, df: float, rho: float = 0.5) -> None:
        """K statistics with df degrees of freedom."""
        self.k, self.df = k, df
        self.spread = np.sqrt(1 - rho)
        z, z_weight = (values[len(values) // 2 :] for values in normal())
        # Below 0 all is the same as above.
        self.shift, self.z_weight = np.sqrt(rho) / self.spread * z[:, None], 2 * z_weight
        self.scale, self.weight = spread(df)

    def sf(self, t: Array) -> Array:
        """``P(M >= t)`` for each t."""
        return np.array([1 - self._cdf(float(x)) for x in np.atleast_1d(t)])

    def _cdf(self, t: float) -> float:
        reach = t * self.scale / self.spread
        inside = special.ndtr(self.shift + reach) - special.ndtr(self.shift - reach)
        return float(self.z_weight @ power(inside, self.k) @ self.weight)

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""
        # Twice what Bonferroni's inequality needs: M exceeds that less often.
        most = 2 * float(special.stdtrit(self.df, 1 - (1 - probability) / (2 * self.k)))
        return float(optimize.brentq(lambda t: self._cdf(t) - probability, 0.0, most))
