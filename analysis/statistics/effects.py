"""Which factors matter: main effects and two-way interactions, judged against seeds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.families import double_differences, pairs
from analysis.statistics.joint_test import JointTest, joint_test
from analysis.statistics.within_seed import LevelMeans, Term, WithinSeed

Array = NDArray[np.float64]
PAIR = " x "  # between the factors of an interaction
MAIN, INTERACTION = "main effect", "interaction"
# Contrasts of one effect; a factor with more than 100 levels is no factor to compare levels of.
MOST_CONTRASTS = 5000
COLUMNS = ["kind", "contrasts", "seeds", "range", "range_low", "range_high", "t", "p_raw", "note", "p"]


def effects(frame: pd.DataFrame, factors: Sequence[str], confidence: float = 0.95) -> pd.DataFrame:
    """Main effects and two-way interactions of the factors.

    A main effect is the family of all differences between two levels of a factor, an interaction
    that of all differences of differences. Each contrast is estimated with every seed alone
    (``WithinSeed``), and its variance is that over the seeds: what a factor does differs from seed
    to seed, so the runs of one seed are not independent observations of it. ``p_raw`` is the
    smallest p-value of the family, adjusted for all of its contrasts (``JointTest``); with two
    levels it is that of the paired t-test over seeds. ``p`` is adjusted also for the number of main
    effects, or of interactions (Holm 1979).

    ``range`` is the largest absolute contrast: the difference of the largest and the smallest mean.
    Its interval follows from the joint intervals of the contrasts, (low_k, high_k): the true range is
    at least the largest distance of one of them from 0, and at most the largest absolute end. So it
    excludes 0 if and only if p_raw < 1 - confidence.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.
        confidence: of the intervals.

    Returns:
        By effect (``a`` or ``a x b``): ``kind``, ``contrasts`` (K), ``seeds`` (of the contrast that
        most seeds can tell), ``range`` with ``range_low`` and ``range_high``, ``t`` (the largest),
        ``p_raw`` and ``p``, NaN where nothing can be tested, as with one seed, and ``note``, which
        says why, or which seeds cannot tell the effect. An interaction that the design cannot tell
        is no row.
    """
    design = WithinSeed(frame, factors)
    rows = {factor: _row(design, (factor,), confidence) for factor in design.factors}
    rows |= {PAIR.join(pair): _row(design, pair, confidence) for pair in design.interactions}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS[:-1]).rename_axis("effect")
    table["p"] = table.groupby("kind")["p_raw"].transform(holm)
    return table[table["range"].notna() | (table["kind"] == MAIN) | (table["contrasts"] > MOST_CONTRASTS)]


def main_effect(design: WithinSeed, factor: str) -> tuple[LevelMeans, JointTest]:
    """Means of a factor's levels, and the test of all differences between two of them."""
    means = design.main(factor)
    weights = pairs(len(means.levels))
    return means, joint_test(means.contrasts(weights), weights, design.size)


def _row(design: WithinSeed, term: Term, confidence: float) -> list[object]:
    shape = [len(design.levels[factor]) for factor in term]
    count = int(np.prod([levels * (levels - 1) // 2 for levels in shape]))
    kind = MAIN if len(term) == 1 else INTERACTION
    if count > MOST_CONTRASTS:
        note = f"{count} contrasts are too many to test together"
        return [kind, count, 0, *[np.nan] * 5, note]
    if kind == MAIN:
        means, test = main_effect(design, *term)
    else:
        means, weights = design.interaction(term), double_differences(*shape)
        test = joint_test(means.contrasts(weights), weights, design.size)
    return [kind, count, int(test.seeds.max()), *_largest(test, confidence), _note(means, test)]


def _largest(test: JointTest, confidence: float) -> list[float]:
    """The range with its interval, the largest t and its p-value."""
    if np.isnan(test.estimate).all():
        return [np.nan] * 5
    size = float(np.nanmax(np.abs(test.estimate)))
    if np.isnan(test.error).all():
        return [size, *[np.nan] * 4]
    low, high = test.interval(confidence)
    nearest, furthest = np.maximum(0, np.maximum(low, -high)), np.maximum(np.abs(low), np.abs(high))
    ends = float(np.nanmax(nearest)), float(np.nanmax(furthest))
    return [size, *ends, float(np.nanmax(np.abs(test.t))), float(np.nanmin(test.p()))]


def _note(means: LevelMeans, test: JointTest) -> str:
    """Why there is no test, or which seeds cannot tell the effect."""
    if not test.seeds.any():
        return "no seed has the runs that tell it"
    if test.seeds.max() < 2:
        return "one seed: nothing tells how much it varies"
    if np.isnan(test.error).all():
        return "it does not vary from seed to seed"
    if left_out := [str(seed) for seed in means.silent(test.weights)]:
        return f"cannot be estimated from seed {', '.join(left_out)}"
    return ""


def holm(p: pd.Series) -> pd.Series:
    """P-values adjusted for all that are not NaN: ``max_{j <= i} min(1, (m - j + 1) p_(j))`` (Holm 1979)."""
    known = p.dropna().sort_values(kind="stable")
    factor = np.arange(len(known), 0, -1)
    adjusted = pd.Series(np.minimum(1, np.maximum.accumulate(known * factor)), known.index)
    return adjusted.reindex(p.index)
