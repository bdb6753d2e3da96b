"""Families of contrasts, as matrices of K contrasts by C cells."""

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pairs(levels: int) -> Array:
    """(L (L - 1) / 2, L) differences of two levels of a factor, the later minus the earlier one."""
    places = list(itertools.combinations(range(levels), 2))
    weights = np.zeros((len(places), levels))
    for row, (first, second) in zip(weights, places, strict=True):
        row[first], row[second] = -1, 1
    return weights


def double_differences(first: int, second: int) -> Array:
    """(K, L L') differences of differences between two levels of each of two factors.

    The columns are the combinations of levels, those of the second factor running fastest.
    """
    return np.asarray(np.kron(pairs(first), pairs(second)), dtype=np.float64)
