"""What each level of a factor gives on average over the other factors, and what to set."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.statistics.absorbed import Absorbed, Array, absorb, indicators
from analysis.statistics.studentized_range import StudentizedRange

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
    fit, means = _fit(seen, varied)
    score = seen["score"].to_numpy(float)
    variance = (fit.variance(score) if fit.df else 0.0) or np.nan
    rule = (direction, confidence)
    parts = [_levels(fit.estimate(score, *each), variance**0.5 * fit.factor(*each), fit.df, rule) for each in means]
    tables = [part.set_axis(list(seen[factor].unique())) for factor, part in zip(varied, parts, strict=True)]
    return pd.concat(tables, keys=varied, names=["factor", "level"])


def _fit(seen: pd.DataFrame, varied: Sequence[str]) -> tuple[Absorbed, list[tuple[Array, Array]]]:
    """The model, and of each factor what of its groups (levels, G) and columns (levels, q) makes the marginal means."""
    seed = pd.factorize(seen["seed"])[0]
    codes = {factor: pd.factorize(seen[factor])[0] for factor in varied}
    combination = seen.groupby(list(varied), sort=False).ngroup().to_numpy().astype(np.intp)
    seeds, combinations = int(seed.max()) + 1, int(combination.max()) + 1
    if combinations == np.prod([code.max() + 1 for code in codes.values()]):
        inside = [indicators(code[np.unique(combination, return_index=True)[1]]).T for code in codes.values()]
        average = 1 / seeds
        means = [(each / each.sum(1, keepdims=True), np.full((len(each), seeds), average)) for each in inside]
        return absorb(combination, indicators(seed)), means
    columns = {factor: indicators(code) for factor, code in codes.items()}
    averaged = [_averaged(columns, factor) for factor in varied]
    means = [(np.full((len(each), seeds), 1 / seeds), each) for each in averaged]
    return absorb(seed, np.hstack(list(columns.values()))), means


def _averaged(columns: dict[str, Array], factor: str) -> Array:
    """(levels, columns): each level of a factor, with all levels of the others weighted alike."""
    count = columns[factor].shape[1]
    parts = [
        np.eye(count) if name == factor else np.full((count, each.shape[1]), 1 / each.shape[1])
        for name, each in columns.items()
    ]
    return np.hstack(parts)


def _levels(mean: Array, factor: Array, df: int, rule: tuple[Literal["max", "min"], float]) -> pd.DataFrame:
    """The rows of one factor, from its means and what makes their covariance, by its product with its transpose."""
    direction, confidence = rule
    if np.isnan(mean).all():
        return pd.DataFrame(np.nan, index=range(len(mean)), columns=COLUMNS)
    best = int(np.nanargmax(mean) if direction == "max" else np.nanargmin(mean))
    half = stats.t.isf((1 - confidence) / 2, df) * np.sqrt((factor**2).sum(1)) if df else np.full(len(mean), np.nan)
    table = pd.DataFrame({"mean": mean, "low": mean - half, "high": mean + half}).reindex(columns=COLUMNS)
    rest = np.arange(len(mean)) != best
    difference = (mean - mean[best])[rest]
    table.loc[rest, "difference"] = difference
    if df and not np.isnan(factor).any():
        spread = np.sqrt(((factor - factor[best]) ** 2).sum(1))[rest]
        largest = StudentizedRange(len(mean), df)
        wide = largest.quantile(confidence) / 2**0.5 * spread
        table.loc[rest, "difference_low"] = difference - wide
        table.loc[rest, "difference_high"] = difference + wide
        table.loc[rest, "p"] = largest.sf(2**0.5 * np.abs(difference) / spread)
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
