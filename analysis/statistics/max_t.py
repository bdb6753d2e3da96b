"""Distribution of the largest of several correlated t statistics."""

from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]
NODES = 128
DRAWS = 200_000


class MaxT(Protocol):
    """``M = max_i |T_i|`` for T multivariate t."""

    def sf(self, t: Array) -> Array:
        """``P(M >= t)`` for each t."""

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""


class Continuous(Protocol):
    """The part of scipy's distributions that is needed here."""

    def ppf(self, q: float) -> float:
        """Quantile."""

    def isf(self, q: float) -> float:
        """Quantile from above."""

    def pdf(self, x: Array) -> Array:
        """Density."""


class EqualMaxT:
    """Exact, for equal correlations, as those of comparisons with one control in a balanced design (rho = 1/2).

    ``T_i = (sqrt(1 - rho) Z_i - sqrt(rho) Z_0) / S`` with independent normal Z and ``S^2 = chi2_df / df``, so that
    given Z_0 and S the T_i are independent (Dunnett 1955, equation 5). Both are integrated out by Gauss quadrature.
    """

    def __init__(self, k: int, df: float, rho: float = 0.5) -> None:
        """K statistics with df degrees of freedom."""
        self.k, self.rho = k, rho
        z, self.scale, self.weight = _grid(df)
        self.shift = np.sqrt(rho) * z

    def sf(self, t: Array) -> Array:
        """``P(M >= t)`` for each t."""
        return np.array([1 - self._cdf(float(x)) for x in np.atleast_1d(t)])

    def _cdf(self, t: float) -> float:
        spread = np.sqrt(1 - self.rho)
        inside = special.ndtr((self.shift + t * self.scale) / spread) - special.ndtr(
            (self.shift - t * self.scale) / spread
        )
        return float((self.weight * inside**self.k).sum())

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""
        return float(optimize.brentq(lambda t: self._cdf(t) - probability, 0.0, 1e4))


@cache
def _grid(df: float) -> tuple[Array, Array, Array]:
    """Nodes of Z (128, 1), of S (1, 128), and their weights (128, 128)."""
    z, z_weight = _nodes(stats.norm)
    chi, chi_weight = _nodes(stats.chi(df))
    return z[:, None], chi[None, :] / np.sqrt(df), z_weight[:, None] * chi_weight[None, :]


def _nodes(distribution: Continuous) -> tuple[Array, Array]:
    """Nodes and weights with which a sum is an expectation under the distribution, up to a tail of 1e-14."""
    low, high = distribution.ppf(1e-14), distribution.isf(1e-14)
    node, weight = _legendre()
    x = low + (high - low) * (node + 1) / 2
    density = weight * distribution.pdf(x)
    return x, density / density.sum()


@cache
def _legendre() -> tuple[Array, Array]:
    node, weight = special.roots_legendre(NODES)
    return node, weight


class SimulatedMaxT:
    """For any correlation matrix (k, k), as incomplete designs have.

    200,000 draws with a fixed seed; the standard error of a probability near .05 is .0005.
    """

    def __init__(self, correlation: Array, df: int) -> None:
        """Draw."""
        draws = stats.multivariate_t(shape=correlation, df=df, allow_singular=True, seed=20231206).rvs(DRAWS)
        self.largest = np.sort(np.abs(draws.reshape(DRAWS, -1)).max(1))

    def sf(self, t: Array) -> Array:
        """``P(M >= t)`` for each t."""
        return 1 - np.searchsorted(self.largest, np.atleast_1d(t)) / DRAWS

    def quantile(self, probability: float) -> float:
        """The value that M stays below with a probability."""
        return float(np.quantile(self.largest, probability))
