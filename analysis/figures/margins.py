"""Marginal means of each factor, and the means of pairs of factors: parallel lines do not interact."""

import itertools
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

LINES = ("-", "--", ":", "-.")
MARKS = ("o", "s", "^", "v", "D", "x")
MOST = 12  # pairs of factors
NAMED = 12  # levels on an axis
LONG = 30  # characters of a level


def draw(marginal: pd.DataFrame, metric: str) -> Figure:
    """A panel for each factor: what each level loses against the best one, with the joint interval.

    The means' own intervals are not drawn: seeds shift all levels alike, so those overlap also where levels differ.

    Args:
        marginal: ``factor``, ``level``, ``difference``, ``difference_low``, ``difference_high``; of the best level NaN.
        metric: what is on the axis.
    """
    factors = list(marginal["factor"].unique())
    figure = Figure(figsize=(0.8 + 1.7 * len(factors), 2.3))
    axes = figure.subplots(1, len(factors), sharey=True, squeeze=False)
    for ax, factor in zip(axes.flat, factors, strict=True):
        here = marginal[marginal["factor"] == factor]
        difference = here["difference"].fillna(0.0)
        ends = [difference - here["difference_low"], here["difference_high"] - difference]
        ax.axhline(0, color="0.7", linewidth=0.6)
        ax.errorbar(range(len(here)), difference, ends, color="black", marker="o", markersize=3, linestyle="none")
        _name(ax, list(here["level"]), rotation=30, ha="right")
        ax.set_xlim(-0.4, len(here) - 0.6)
        ax.set_xlabel(factor)
    axes[0, 0].set_ylabel(f"{metric}\nto the best level, joint 95 %", fontsize=7)
    return figure


def strongest(effects: pd.DataFrame, factors: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of factors; of more than 12 those whose means are furthest from parallel.

    Args:
        effects: by effect, ``range``; a pair that the runs cannot tell is not among them.
        factors: those that vary.
    """
    pairs = [(a, b) for a, b in itertools.combinations(factors, 2) if f"{a} x {b}" in effects.index]
    size = pd.Series([effects.loc[f"{a} x {b}", "range"] for a, b in pairs], dtype=float)
    return [pairs[i] for i in sorted(size.sort_values(ascending=False, kind="stable").index[:MOST])]


def interactions(frame: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Means of each pair of levels: ``a``, ``b`` (factors), ``x``, ``line`` (their levels), ``mean``."""
    parts = []
    for a, b in pairs:
        means = frame.groupby([a, b], sort=False)["score"].mean().reset_index()
        parts.append(means.set_axis(["x", "line", "mean"], axis=1).assign(a=a, b=b))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw_interactions(means: pd.DataFrame, metric: str, left_out: int) -> Figure:
    """A panel for each pair of factors: levels of one on the axis, a line for each level of the other.

    Args:
        means: of ``interactions``.
        metric: what is on the axis.
        left_out: how many pairs are not drawn.
    """
    pairs = list(dict.fromkeys(zip(means["a"], means["b"], strict=True)))
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure(figsize=(0.8 + 2.3 * columns, 0.4 + 2.4 * rows))
    axes = list(figure.subplots(rows, columns, sharey=True, squeeze=False).flat)
    for ax, (a, b) in zip(axes, pairs, strict=False):
        here = means[(means["a"] == a) & (means["b"] == b)]
        levels = list(here["x"].unique())
        looks = itertools.cycle(itertools.product(LINES, MARKS))
        for (level, line), (style, mark) in zip(here.groupby("line", sort=False), looks, strict=False):
            places = [levels.index(x) for x in line["x"]]
            ax.plot(places, line["mean"], style, marker=mark, markersize=3, linewidth=0.9, label=str(level))
        _name(ax, levels)
        ax.set_xlim(-0.4, len(levels) - 0.6)
        ax.set_xlabel(a)
        # Above the lines, whose course is not known.
        ax.legend(
            title=b, fontsize=6, title_fontsize=6, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3,
            columnspacing=1.0, handlelength=1.5,
        )  # fmt: skip
    for ax in axes[len(pairs) :]:
        ax.remove()
    figure.supylabel(f"mean {metric}", fontsize=8)
    if left_out:
        figure.supxlabel(f"{left_out} pairs of factors, whose lines are closer to parallel, not shown", fontsize=7)
    return figure


def _name(ax: Axes, levels: Sequence[object], **look: Any) -> None:
    """Write levels on the axis, of many every second or third."""
    step = -(-len(levels) // NAMED)
    names = [textwrap.shorten(str(level), LONG, placeholder="…") for level in levels[::step]]
    ax.set_xticks(range(0, len(levels), step), names, fontsize=7, **look)
