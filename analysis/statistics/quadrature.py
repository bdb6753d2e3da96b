"""Nodes and weights with which a sum is an expectation: over a normal variable, and over what it is divided by."""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
NODES = 128
TAIL = 1e-14  # that is left out on each side


@cache
def normal(nodes: int = NODES) -> tuple[Array, Array]:
    """Nodes of a standard normal variable and their weights, symmetric around 0."""
    node, weight = _legendre(nodes)
    z = node * -special.ndtri(TAIL)
    density = weight * np.exp(-(z**2) / 2)
    return z, density / density.sum()


@lru_cache(maxsize=1024)
def spread(df: float, nodes: int = NODES) -> tuple[Array, Array]:
    """Nodes of ``sqrt(chi2_df / df)`` and their weights."""
    node, weight = _legendre(nodes)
    low, high = _range(df)
    chi = low + (high - low) * (node + 1) / 2
    logarithm = (df - 1) * np.log(chi) - chi**2 / 2
    density = weight * np.exp(logarithm - logarithm.max())
    return chi / np.sqrt(df), density / density.sum()


def noncentral(df: float, shift: Array, nodes: int = NODES) -> tuple[Array, Array]:
    """Nodes (s, nodes) of ``sqrt(chi2_df(shift))``, noncentral chi-square, and their weights, for each shift (s,)."""
    node, weight = _legendre(nodes)
    low, high = _range(df)
    root = np.sqrt(np.maximum(shift, 1e-12))[:, None]
    bottom, top = np.maximum(low, root + special.ndtri(TAIL)), root + high
    chi = bottom + (top - bottom) * (node + 1) / 2
    # The density has a Bessel function, here without exp(root chi), which completes the square.
    bessel = np.maximum(special.ive(df / 2 - 1, root * chi), 1e-300)
    logarithm = df / 2 * np.log(chi) - (chi - root) ** 2 / 2 + np.log(bessel)
    density = weight * np.exp(logarithm - logarithm.max(1, keepdims=True))
    return chi, density / density.sum(1, keepdims=True)


def power(base: Array, exponent: int) -> Array:
    """Numbers from 0 to 1 to a power; of large ones many times as fast as ``**``."""
    return np.asarray(np.exp(exponent * np.log(np.maximum(base, 1e-300))))


def _range(df: float) -> tuple[float, float]:
    """Between which nearly all of chi lies."""
    low, high = special.gammaincinv(df / 2, TAIL), special.gammainccinv(df / 2, TAIL)
    return float(np.sqrt(2 * low)), float(np.sqrt(2 * high))


@cache
def _legendre(nodes: int) -> tuple[Array, Array]:
    node, weight = special.roots_legendre(nodes)
    return node, weight
