"""Effects of factors: how often one is found where there is none, and how often where there is.

Scores are drawn as ``noise + factor x seed + pair x seed``: what a factor does differs from seed to seed, in several
ways.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.statistics.families import double_differences, pairs
from analysis.statistics.joint_test import Array
from analysis.statistics.largest_t import largest_t, prior_df
from analysis.statistics.within_seed import Term, WithinSeed

ALPHA = 0.05
SEED = 20231206
CHUNK = 5_000
KNOTS = np.geomspace(1e-2, 1e4, 400)  # values of t
PATTERNS = 25  # of missing runs in a setting
MISSING = 0.05
# Most that the rates may be, as the lower end of a 99 % interval (normal noise; others).
LIMITS = 0.055, 0.065

Factors = tuple[int, ...]
Cells = NDArray[np.intp]


def grid(levels: Factors) -> Cells:
    """(C, F) every combination of levels."""
    return np.array(list(itertools.product(*map(range, levels))))


def one_at_a_time(levels: Factors) -> Cells:
    """(C, F) the first level of every factor, and each of its other levels with the first ones of the rest."""
    others = [(factor, level) for factor, count in enumerate(levels) for level in range(1, count)]
    cells = np.zeros((len(others) + 1, len(levels)), np.intp)
    for row, (factor, level) in zip(cells[1:], others, strict=True):
        row[factor] = level
    return cells


DESIGNS: Mapping[str, tuple[Factors, Callable[[Factors], Cells]]] = {
    "2 x 2": ((2, 2), grid),
    "3 x 3 x 2": ((3, 3, 2), grid),
    "4 x 4 x 2 x 2": ((4, 4, 2, 2), grid),
    "one at a time": ((3, 3, 3, 3), one_at_a_time),
    "path": ((2, 2, 2), grid),
}
# Standard deviations over seeds of what the levels of each factor do, in those of the noise of a run.
# Those of the study of the loss are estimated from its strata.
OVER_SEEDS: Mapping[str, Callable[[int, int], Array]] = {
    "none": lambda _, levels: np.zeros((levels, 1)),
    "as in loss": lambda factor, levels: np.eye(levels) * (0.1, 0.65, 0.0, 0.37)[factor],
    "all large": lambda _, levels: 3.0 * np.eye(levels),
    "one level": lambda _, levels: 3.0 * np.eye(levels)[:, -1:],
    "slope": lambda _, levels: 2.0 * np.linspace(-1, 1, levels)[:, None],
}
NOISE: Mapping[str, Callable[[np.random.Generator, Sequence[int]], Array]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "t3": lambda rng, size: rng.standard_t(3, size=size) / 3**0.5,
    "skewed": lambda rng, size: rng.exponential(size=size) - 1,
}


@dataclass(frozen=True)
class Setting:
    """A design, its seeds, and how scores vary."""

    design: str
    seeds: int
    over_seeds: str = "none"
    noise: str = "normal"
    missing: bool = False

    @property
    def cells(self) -> Cells:
        """(C, F) levels of each cell."""
        levels, make = DESIGNS[self.design]
        return make(levels)

    def frame(self, rng: np.random.Generator) -> pd.DataFrame:
        """The runs that are there: every cell with every seed, or all but 5 % of them."""
        cells = self.cells
        runs = [(seed, cell, *levels) for seed in range(self.seeds) for cell, levels in enumerate(cells)]
        frame = pd.DataFrame(runs, columns=["seed", "cell", *self.factors]).assign(score=0.0)
        if self.missing:
            frame = frame.sample(frac=1 - MISSING, random_state=int(rng.integers(2**31)))
        return frame.sort_values(["seed", "cell"], ignore_index=True)

    @property
    def factors(self) -> list[str]:
        """Names of the columns."""
        return [f"f{i}" for i in range(self.cells.shape[1])]

    def draw(self, replicates: int, rng: np.random.Generator) -> Array:
        """(R, S, C) scores without any effect on average."""
        draw, cells = NOISE[self.noise], self.cells
        scores = draw(rng, (replicates, self.seeds, len(cells)))
        for factor in range(cells.shape[1]):
            root = OVER_SEEDS[self.over_seeds](factor, int(cells[:, factor].max()) + 1)
            levels = draw(rng, (replicates, self.seeds, root.shape[1])) @ root.T
            scores += levels[:, :, cells[:, factor]]
        if self.over_seeds == "all large":
            for first, second in itertools.combinations(range(cells.shape[1]), 2):
                place = cells[:, first] * 10 + cells[:, second]
                _, place = np.unique(place, return_inverse=True)
                scores += 1.5 * draw(rng, (replicates, self.seeds, int(place.max()) + 1))[:, :, place]
        return scores


@dataclass(frozen=True)
class Family:
    """An effect: its contrasts as sums of the runs of each seed.

    Attributes:
        name: of the effect.
        main: whether it is a main effect.
        weights: (K, L) contrasts of the means.
        maps: for each seed (K, C) contrasts of the cells, NaN where that seed cannot tell.
    """

    name: str
    main: bool
    weights: Array
    maps: Array

    def p(self, scores: Array) -> Array:
        """(R,) p-value of the effect in each of R studies (R, S, C), as ``effects`` gives it."""
        told = np.isfinite(self.maps).all(2)
        n, maps = told.sum(0), np.nan_to_num(self.maps)
        alike = bool((maps == maps[0]).all())
        values = scores @ maps[0].T if alike else np.matmul(scores.swapaxes(0, 1), maps.swapaxes(1, 2)).swapaxes(0, 1)
        mean = values.sum(1) / n
        squares = (np.where(told, values - mean[:, None], 0.0) ** 2).sum(1)
        g, prior = n - 1, prior_df(n) if len(n) > 1 else np.zeros(1)
        pooled = squares.sum(1, keepdims=True) / g.sum()
        t = np.abs(mean) / np.sqrt((prior * pooled + squares) / (prior + g) / n)
        tails = [self._tail(int(seeds), t[:, n == seeds].max(1)) for seeds in np.unique(n)]
        return np.asarray(np.min(tails, axis=0))

    def _tail(self, seeds: int, t: Array) -> Array:
        tail = _tail_at_knots(self.weights.tobytes(), self.weights.shape, seeds)
        return np.asarray(np.exp(np.interp(np.log(t), np.log(KNOTS), tail)))


@cache
def _tail_at_knots(weights: bytes, shape: tuple[int, int], seeds: int) -> Array:
    """Logarithm of the tail, for interpolation: p-values of 50,000 studies take too long one by one."""
    return np.asarray(np.log(largest_t(np.frombuffer(weights).reshape(shape), seeds).sf(KNOTS)))


def families(frame: pd.DataFrame, factors: Sequence[str], cells: int) -> list[Family]:
    """All effects that the runs of a frame tell."""
    design = WithinSeed(frame, factors)
    terms: list[Term] = [*((factor,) for factor in design.factors), *design.interactions]
    found = [_family(design, term, cells) for term in terms]
    return [family for family in found if (np.isfinite(family.maps).all(2).sum(0) > 1).all()]


def _family(design: WithinSeed, term: Term, cells: int) -> Family:
    shape = [len(design.levels[factor]) for factor in term]
    weights = pairs(*shape) if len(term) == 1 else double_differences(*shape)
    maps = []
    for seed in design.frame["seed"].unique():
        rows = np.flatnonzero(design.frame["seed"] == seed)
        means, doubt = design.fit(term, rows).means(term, np.eye(len(rows)))
        full = np.zeros((len(weights), cells))
        full[:, design.frame["cell"].to_numpy()[rows]] = weights @ means
        full[np.abs(weights @ doubt).max(1, initial=0.0) > 1e-7] = np.nan
        maps.append(full)
    return Family(" x ".join(term), len(term) == 1, weights, np.array(maps))


def holm(p: Array) -> Array:
    """(R, effects) p-values adjusted for all effects."""
    order = np.argsort(p, 1)
    ranked = np.take_along_axis(p, order, 1) * np.arange(p.shape[1], 0, -1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(1, np.maximum.accumulate(ranked, 1)), 1)
    return adjusted


def parts(setting: Setting, replicates: int) -> Iterator[tuple[Array, list[Family]]]:
    """Scores (R, S, C) in parts, each with the effects that its runs tell."""
    rng = np.random.default_rng([SEED, *setting.design.encode(), setting.seeds, *setting.over_seeds.encode()])
    size = -(-replicates // PATTERNS) if setting.missing else CHUNK
    known: list[Family] = []
    for start in range(0, replicates, size):
        if setting.missing or not known:
            known = families(setting.frame(rng), setting.factors, len(setting.cells))
        yield setting.draw(min(size, replicates - start), rng), known


def false_positives(setting: Setting, replicates: int) -> dict[str, float]:
    """Rates without any effect: of the worst effect by itself, and of any main effect or interaction (Holm)."""
    found: dict[str, list[Array]] = {"one": [], "main": [], "interaction": []}
    for scores, known in parts(setting, replicates):
        p = np.stack([family.p(scores) for family in known], 1)
        main = np.array([family.main for family in known])
        found["one"].append((p < ALPHA).mean(0) * len(scores))
        found["main"].append((holm(p[:, main]) < ALPHA).any(1).sum())
        if (~main).any():
            found["interaction"].append((holm(p[:, ~main]) < ALPHA).any(1).sum())
    rates = {name: np.sum(counts, axis=0) / replicates for name, counts in found.items() if counts}
    return {name: float(np.max(rate)) for name, rate in rates.items()}


def table(replicates: int, seeds: Sequence[int] = (3, 5, 10), designs: Sequence[str] = tuple(DESIGNS)) -> pd.DataFrame:
    """A row for each design and number of seeds and way to vary."""
    rows = []
    for design, n in itertools.product(designs, seeds):
        ways = [Setting(design, n, over) for over in OVER_SEEDS]
        ways += [Setting(design, n, "as in loss", noise) for noise in ("t3", "skewed")]
        ways.append(Setting(design, n, "as in loss", missing=True))
        for setting in ways:
            known = {"design": design, "seeds": n, "factor x seed": setting.over_seeds, "noise": setting.noise}
            rows.append(known | {"missing": MISSING * setting.missing} | false_positives(setting, replicates))
    return pd.DataFrame(rows)


def beyond(rates: pd.DataFrame, replicates: int) -> pd.DataFrame:
    """The settings whose rates are above the limits by more than chance (99 %)."""
    largest = rates[["one", "main", "interaction"]].max(axis=1)
    lower = largest - stats.norm.isf(0.01) * np.sqrt(largest * (1 - largest) / replicates)
    limit = np.where(rates["noise"] == "normal", *LIMITS)
    return pd.DataFrame(rates[lower > limit])


def power(replicates: int, seeds: Sequence[int] = (3, 5, 10)) -> pd.DataFrame:
    """In the grid of the study of the loss: an effect of one level or one cell, by three tests."""
    rows = []
    for n, over in itertools.product(seeds, ("none", "as in loss")):
        setting = Setting("4 x 4 x 2 x 2", n, over)
        for effect, cell in (("f1", [3]), ("f3", [1]), ("f0 x f1", [3, 3])):
            rows.append({"seeds": n, "factor x seed": over} | _power(setting, effect, cell, replicates))
    return pd.DataFrame(rows)


def _power(setting: Setting, effect: str, levels: Sequence[int], replicates: int) -> dict[str, object]:
    cells = setting.cells
    factors = [int(name[1:]) for name in effect.split(" x ")]
    off = np.all([cells[:, factor] == level for factor, level in zip(factors, levels, strict=True)], axis=0)
    size = {3: 3.0, 5: 2.0, 10: 1.3}[setting.seeds] * (0.45 if len(factors) == 1 else 0.9)
    counts = np.zeros(5)
    for scores, known in parts(setting, replicates):
        (family,) = (family for family in known if family.name == effect)
        shifted = scores + size * off
        strata, pooled = f_tests(shifted, family.maps[0], known)
        none = f_tests(scores, family.maps[0], known)[1]
        tests = family.p(shifted), strata, pooled, none, family.p(scores)
        counts += [(p < ALPHA).sum() for p in tests]
    names = ["power: max-t", "stratum F", "pooled F", "false positives: pooled F", "max-t"]
    return {"effect": f"{effect}, {size:.2f} sd"} | dict(zip(names, counts / replicates, strict=True))


def f_tests(scores: Array, contrasts: Array, known: Sequence[Family]) -> tuple[Array, Array]:
    """(R,) p-values of an effect against its own interaction with seeds, and against the pooled residual.

    The pooled residual is what seeds, main effects and pairs of factors leave, as in an analysis of variance with
    seeds as blocks.
    """
    seeds, cells = scores.shape[1:]
    basis = _orthonormal(contrasts)
    values = scores @ basis.T
    mean = values.mean(1)
    q = len(basis)
    between = seeds * (mean**2).sum(1) / q
    stratum = ((values - mean[:, None]) ** 2).sum((1, 2)) / (q * (seeds - 1))
    centred = scores - scores.mean(2, keepdims=True)
    model = _orthonormal(np.vstack([family.maps[0] for family in known]))
    explained = seeds * ((centred.mean(1) @ model.T) ** 2).sum(1)
    df = seeds * (cells - 1) - len(model)
    residual = ((centred**2).sum((1, 2)) - explained) / df
    return stats.f.sf(between / stratum, q, q * (seeds - 1)), stats.f.sf(between / residual, q, df)


def _orthonormal(rows: Array) -> Array:
    _, value, right = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(right[value > 1e-9 * value[0]])
