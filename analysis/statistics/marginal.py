"""What each level of a factor gives on average over the other factors, and what to set."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
COLUMNS = ["mean", "low", "high", "difference", "difference_low", "difference_high", "p"]


def marginal(
    frame: pd.DataFrame,
    factors: Sequence[str],
    direction: Literal["max", "min"] = "max",
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Marginal mean of each level (least-squares mean), and its difference to the best level of the factor.

    In a complete grid from ``score = seed + cell``, the mean over the cells of a level; otherwise, where levels have
    been tried with different settings of the rest, from ``score = seed + factors``, which assumes that there are no
    interactions. Seeds are blocks: a mean's t interval is for these seeds, and holds for it alone. Differences are
    adjusted for all pairs of levels of the factor, which pays for choosing the best among them (Tukey; Kramer 1956 for
    unequal numbers, conservative by Hayter 1984), but not for the number of factors. Equal variances are assumed.

    Args:
        frame: ``seed``, ``score`` and a column for each factor; rows without a score are left out.
        factors: columns; one with a single level left is skipped.
        direction: which scores are better.
        confidence: coverage of the intervals.

    Returns:
        By ``factor`` and ``level``: ``mean``, ``low``, ``high``, ``difference`` (level minus best), ``difference_low``,
        ``difference_high``, ``p``; of the best level itself NaN, as where there is nothing to tell.
    """
    seen = frame.dropna(subset=["score"])
    varied = [factor for factor in factors if seen[factor].nunique() > 1]
    if not varied:
        index = pd.MultiIndex.from_arrays([[], []], names=["factor", "level"])
        return pd.DataFrame(columns=COLUMNS, index=index, dtype=float)
    design, weights = _design(seen, varied)
    score = seen["score"].to_numpy(float)
    solve = np.linalg.pinv(design)
    df = len(score) - int(np.linalg.matrix_rank(design))
    residual = score - design @ solve @ score
    variance = float(residual @ residual) / df if df else np.nan
    variance = np.nan if variance <= 1e-20 * float(score @ score) else variance
    for levels in weights.values():
        # Confounded with other factors or seeds: no mean.
        levels[~np.isclose(levels @ solve @ design, levels, atol=1e-8).all(1)] = np.nan
    parts = {
        factor: _levels(levels @ solve, score, variance, df, (direction, confidence))
        for factor, levels in weights.items()
    }
    tables = [part.set_axis(list(seen[factor].unique())) for factor, part in parts.items()]
    return pd.concat(tables, keys=varied, names=["factor", "level"])


def _design(seen: pd.DataFrame, varied: Sequence[str]) -> tuple[Array, dict[str, Array]]:
    """Design (N, p), and for each factor (levels, p), what of the coefficients makes the marginal means."""
    seed_code, seeds = pd.factorize(seen["seed"])
    blocks = np.eye(len(seeds))[seed_code]
    combinations = seen[list(varied)].drop_duplicates()
    complete = len(combinations) == np.prod([seen[factor].nunique() for factor in varied])
    indicators = {
        factor: pd.get_dummies(seen[factor])[list(seen[factor].unique())].to_numpy(float) for factor in varied
    }
    if complete:
        code = seen.groupby(list(varied), sort=False).ngroup().to_numpy()
        columns = np.eye(len(combinations))[code]
        inside = {factor: (indicator.T @ columns > 0).astype(float) for factor, indicator in indicators.items()}
        means = {factor: each / each.sum(1, keepdims=True) for factor, each in inside.items()}
    else:
        columns = np.hstack(list(indicators.values()))
        means = {factor: _averaged(indicators, factor) for factor in varied}
    average = np.full((1, len(seeds)), 1 / len(seeds))
    weights = {factor: np.hstack([np.repeat(average, len(each), 0), each]) for factor, each in means.items()}
    return np.hstack([blocks, columns]), weights


def _averaged(indicators: dict[str, Array], factor: str) -> Array:
    """(levels, columns): each level of a factor, with all levels of the others weighted alike."""
    count = indicators[factor].shape[1]
    parts = [
        np.eye(count) if name == factor else np.full((count, each.shape[1]), 1 / each.shape[1])
        for name, each in indicators.items()
    ]
    return np.hstack(parts)


def _levels(
    weight: Array, score: Array, variance: float, df: int, rule: tuple[Literal["max", "min"], float]
) -> pd.DataFrame:
    """The rows of one factor."""
    direction, confidence = rule
    mean = weight @ score
    error = np.sqrt(variance * (weight**2).sum(1))
    if np.isnan(mean).all():
        return pd.DataFrame(np.nan, index=range(len(mean)), columns=COLUMNS)
    best = int(np.nanargmax(mean) if direction == "max" else np.nanargmin(mean))
    half = stats.t.isf((1 - confidence) / 2, df) * error if df else np.full(len(mean), np.nan)
    table = pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}).reindex(columns=COLUMNS)
    rest = np.arange(len(mean)) != best
    difference = (mean - mean[best])[rest]
    table.loc[rest, "difference"] = difference
    if df and not np.isnan(variance):
        spread = np.sqrt(variance * ((weight - weight[best]) ** 2).sum(1))[rest]
        largest = stats.studentized_range(len(mean), df)
        wide = float(largest.ppf(confidence)) / 2**0.5 * spread
        table.loc[rest, "difference_low"] = difference - wide
        table.loc[rest, "difference_high"] = difference + wide
        table.loc[rest, "p"] = np.clip(largest.sf(2**0.5 * np.abs(difference) / spread), 0, 1)
    return table


def advice(
    frame: pd.DataFrame,
    factors: Sequence[str],
    keep: dict[str, object] | None = None,
    direction: Literal["max", "min"] = "max",
) -> list[str]:
    """One sentence for each factor: what to set.

    The best level is advised if another is worse than it at .05, adjusted for all pairs of levels; the cost of the
    worst is told. Otherwise there is no reason to leave what is set.

    Args:
        frame: as of ``marginal``.
        factors: as of ``marginal``.
        keep: level of each factor in the baseline; without, none is named.
        direction: which scores are better.
    """
    return sentences(marginal(frame, factors, direction), keep)


def sentences(table: pd.DataFrame, keep: dict[str, object] | None = None) -> list[str]:
    """The same of marginal means that are there."""
    names = list(dict.fromkeys(table.index.get_level_values("factor")))
    return [_sentence(factor, pd.DataFrame(table.loc[factor]), (keep or {}).get(factor)) for factor in names]


def _sentence(factor: str, levels: pd.DataFrame, kept: object) -> str:
    worse = levels[levels["p"] < 0.05]
    if worse.empty:
        return f"{factor}: no detectable effect{'' if kept is None else f': keep {kept}'}."
    best = levels.index[levels["difference"].isna() & levels["mean"].notna()][0]
    worst = worse["difference"].abs().idxmax()
    cost, low, high = worse[["difference", "difference_low", "difference_high"]].abs().loc[[worst]].to_numpy()[0]
    low, high = sorted([low, high])
    alike = [str(level) for level in levels.index if level not in worse.index and level != best]
    as_good = f"; {', '.join(alike)} cannot be told from it" if alike else ""
    return f"{factor}: set {best}; {worst} costs {cost:.3f} [{low:.3f}, {high:.3f}]{as_good}."
