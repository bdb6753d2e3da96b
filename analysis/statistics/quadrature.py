"""Nodes and weights with which a sum is an expectation: over a normal variable, and over what it is divided by."""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
NODES = 128
TAIL = 1e-14  # that is left out on each side


@cache
def normal() -> tuple[Array, Array]:
    """Nodes (128,) of a standard normal variable and their weights, symmetric around 0."""
    node, weight = _legendre()
    z = node * -special.ndtri(TAIL)
    density = weight * np.exp(-(z**2) / 2)
    return z, density / density.sum()


@lru_cache(maxsize=1024)
def spread(df: float) -> tuple[Array, Array]:
    """Nodes (128,) of ``sqrt(chi2_df / df)`` and their weights."""
    node, weight = _legendre()
    low, high = np.sqrt(2 * special.gammaincinv(df / 2, TAIL)), np.sqrt(2 * special.gammainccinv(df / 2, TAIL))
    chi = low + (high - low) * (node + 1) / 2
    logarithm = (df - 1) * np.log(chi) - chi**2 / 2
    density = weight * np.exp(logarithm - logarithm.max())
    return chi / np.sqrt(df), density / density.sum()


def power(base: Array, exponent: int) -> Array:
    """Numbers from 0 to 1 to a power; of large ones many times as fast as ``**``."""
    return np.asarray(np.exp(exponent * np.log(np.maximum(base, 1e-300))))


@cache
def _legendre() -> tuple[Array, Array]:
    node, weight = special.roots_legendre(NODES)
    return node, weight
