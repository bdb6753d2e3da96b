"""Optuna's side of a search: the space and the points in its terms, and the sampler."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ablations.matrix import Range
from ablations.record import canonical
from ablations.search import Point, Space

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import TPESampler

SEED = 20231206


def sampler(number: int) -> "TPESampler":
    """The sampler for the point with a number, and, where trials run at once, for those after it.

    Its seed depends on the number: with one seed alone, a search that goes on would begin with the points that it has.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    (seed,) = np.random.SeedSequence([SEED, number]).generate_state(1)
    return optuna.samplers.TPESampler(seed=int(seed))


def distributions(space: Space) -> "dict[str, BaseDistribution]":
    """The space: a level is a category, written as JSON because it may be a mapping."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        path: FloatDistribution(factor.low, factor.high, log=factor.log)
        if isinstance(factor, Range)
        else CategoricalDistribution([canonical(level) for level in factor])
        for path, factor in space.items()
    }


def encode(space: Space, point: Point) -> dict[str, Any]:
    """A point as Optuna knows it."""
    return {path: x if isinstance(space[path], Range) else canonical(x) for path, x in point.items()}


def decode(space: Space, params: Mapping[str, Any]) -> Point:
    """A point by what Optuna proposes."""
    return {
        path: params[path] if isinstance(factor, Range) else json.loads(params[path]) for path, factor in space.items()
    }
