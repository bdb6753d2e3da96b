"""What each level of a factor gives on average over the other factors, and what to set."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.statistics.effects import main_effect
from analysis.statistics.intervals import means as t_intervals
from analysis.statistics.joint_test import JointTest
from analysis.statistics.notation import bounds
from analysis.statistics.verdict import ALPHA
from analysis.statistics.within_seed import WithinSeed

Array = NDArray[np.float64]

COLUMNS = ["seeds", "mean", "low", "high", "difference", "difference_low", "difference_high", "p"]
Direction = Literal["max", "min"]


def marginal_means(
    frame: pd.DataFrame, factors: Sequence[str], direction: Direction = "max", confidence: float = 0.95
) -> pd.DataFrame:
    """Marginal mean of each level, and its difference to the best level of the factor.

    Each mean is estimated with every seed alone, over all levels of the other factors alike
    (``WithinSeed``). Its own interval is the t interval over seeds; it holds for that mean by
    itself. A difference is judged by the same family as the factor's main effect in ``effects``:
    all pairs of its levels, which pays for choosing the best among them. So some level differs
    from another at p < .05 if and only if the main effect's ``p_raw`` is below .05.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.
        direction: which scores are better.
        confidence: of the intervals.

    Returns:
        By ``factor`` and ``level``: ``seeds``, ``mean``, ``low``, ``high``, ``difference`` (level minus
        best), ``difference_low``, ``difference_high``, ``p``; of the best level itself NaN, as where
        nothing can be told.
    """
    design = WithinSeed(frame, factors)
    tables = [_of_factor(design, factor, direction, confidence) for factor in design.factors]
    if not tables:
        index = pd.MultiIndex.from_arrays([[], []], names=["factor", "level"])
        return pd.DataFrame(columns=COLUMNS, index=index, dtype=float)
    return pd.concat(tables, keys=design.factors, names=["factor", "level"])


def _of_factor(design: WithinSeed, factor: str, direction: Direction, confidence: float) -> pd.DataFrame:
    levels, test = main_effect(design, factor)
    names = [level for (level,) in levels.levels]
    values = levels.contrasts(np.eye(len(names)))
    long = pd.DataFrame({"level": names * len(values), "value": values.ravel()})
    table = t_intervals(long["value"], long["level"], confidence).rename(columns={"n": "seeds"})
    table = table.reindex(columns=COLUMNS)
    if not test.seeds.any():
        return table
    best = _best(test, direction)
    table[COLUMNS[4:]] = _to_the_best(test, best, confidence)
    return table


def _best(test: JointTest, direction: Direction) -> int:
    """The level whose mean difference to the others is the largest, or the smallest."""
    gain = np.nansum(-test.weights.T * test.estimate, axis=1)
    return int(gain.argmin() if direction == "max" else gain.argmax())


def _to_the_best(test: JointTest, best: int, confidence: float) -> Array:
    """(L, 4) the difference of each level to the best one, its ends and p, from the test of all pairs."""
    low, high = test.interval(confidence)
    p = test.p()
    rows = np.full((test.weights.shape[1], 4), np.nan)
    for pair, weights in enumerate(test.weights):
        if weights[best] == 0:
            continue
        # A pair is the later level minus the earlier one; here it is the other minus the best.
        sign = -weights[best]
        ends = sorted([sign * low[pair], sign * high[pair]])
        other = int(np.flatnonzero(weights * (np.arange(len(weights)) != best))[0])
        rows[other] = [sign * test.estimate[pair], *ends, p[pair]]
    return rows


def advice(means: pd.DataFrame, effects: pd.DataFrame, kept: dict[str, object] | None = None) -> list[str]:
    """One sentence for each factor: what to set.

    Something is advised only where the factor's main effect is significant after adjustment for
    the number of factors, and only what a significant difference between two levels shows.

    Args:
        means: of ``marginal_means``.
        effects: of ``effects``, of the same frame.
        kept: level of each factor in the baseline; without, none is named.
    """
    factors = list(dict.fromkeys(means.index.get_level_values("factor")))
    return [
        _sentence(factor, pd.DataFrame(means.loc[factor]), float(effects.loc[factor, "p"]), (kept or {}).get(factor))
        for factor in factors
    ]


def _sentence(factor: str, levels: pd.DataFrame, p: float, kept: object) -> str:
    if np.isnan(p):
        return f"{factor}: not tested."
    worse = levels[levels["p"] < ALPHA] if p < ALPHA else levels.iloc[:0]
    if worse.empty:
        return f"{factor}: no effect shown{'' if kept is None else f', no reason to leave {kept}'}."
    best = levels.index[levels["difference"].isna() & levels["mean"].notna()][0]
    if kept in worse.index:
        row = worse[worse.index == kept].iloc[0]
        return f"{factor}: set {best}; {kept}, the baseline, costs {_cost(row)}."
    # Only a difference to the best level is tested here, so the best is named with every cost.
    costs = [f"{level} costs {_cost(row)}" for level, row in worse.iterrows()]
    others = [str(level) for level in levels.index if level not in worse.index and level != best]
    alike = f"; {', '.join(others)} cannot be told from it" if others else ""
    return f"{factor}: against {best}, {', '.join(costs)}{alike}."


def _cost(row: pd.Series) -> str:
    low, high = sorted(abs(row[end]) for end in ("difference_low", "difference_high"))
    return f"{abs(row['difference']):.3f} {bounds(low, high)}"
