"""Small multiples of lines over the epochs, as paths on a canvas that the page scales."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.terms import SMALLEST

Array = NDArray[np.float64]
Scale = Literal["linear", "log", "symlog"]
LEFT, RIGHT, TOP, BOTTOM = 44.0, 236.0, 8.0, 126.0  # of the plot, on a canvas of 240 x 150
TICKS, ROOM = 5, 4.0  # most of them; above and below lines
LOOKS = 8  # colours with dashes


@dataclass(frozen=True)
class Series:
    """A line, or the upper edge of a stacked part, with the range around it: paths of an SVG."""

    name: str
    look: int
    line: str
    band: str


@dataclass(frozen=True)
class Panel:
    """One plot."""

    title: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Lines:
    """Plots on the same axes.

    Attributes:
        name: its anchor.
        title: a few words.
        axes: what is on them.
        note: what a reader must know.
        panels: the plots.
        legend: series and their looks; empty of one, and of too many, which are named on hovering alone.
        x_ticks: places and texts.
        y_ticks: places and texts.
        stacked: whether the parts of a whole are drawn.
        rule: place of a horizontal line; empty without one.
    """

    name: str
    title: str
    axes: str
    note: str
    panels: Sequence[Panel]
    legend: Sequence[tuple[str, int]]
    x_ticks: Sequence[tuple[str, str]]
    y_ticks: Sequence[tuple[str, str]]
    stacked: bool = False
    rule: str = ""
    kind: Literal["lines"] = field(default="lines", init=False)


@dataclass(frozen=True)
class Words:
    """What is said of a chart: its anchor, title, axes and note."""

    name: str
    title: str
    axes: str
    note: str = ""


class Axis:
    """Places numbers on a side of the canvas."""

    def __init__(self, values: Array, ends: tuple[float, float], scale: Scale = "linear") -> None:
        """From the lowest to the highest number."""
        self.scale, self.ends = scale, ends
        there = self._transform(values)
        there = there[np.isfinite(there)]
        self.low, self.high = (float(there.min()), float(there.max())) if there.size else (0.0, 1.0)
        if self.high <= self.low:
            self.low, self.high = self.low - 0.5, self.high + 0.5

    def place(self, values: Array) -> Array:
        """NaN where a number has no place, as 0 has none on a logarithmic axis."""
        first, last = self.ends
        return first + (self._transform(values) - self.low) / (self.high - self.low) * (last - first)

    def ticks(self, integer: bool = False) -> list[tuple[str, str]]:
        """Round numbers, or of a logarithmic axis powers of ten, if there are two of them."""
        powers = np.array(list(self._powers()))
        ticks = powers if powers.size > 1 else self._round(integer)
        places = self.place(ticks)
        inside = (places >= min(self.ends) - 0.5) & (places <= max(self.ends) + 0.5)
        ticks, places = ticks[inside], places[inside]
        step = -(-len(ticks) // TICKS) or 1
        return [(f"{place:.1f}", f"{tick:.6g}") for tick, place in list(zip(ticks, places, strict=True))[::step]]

    def _round(self, integer: bool) -> Array:
        low, high = self.low, self.high
        if self.scale == "log":
            low, high = 10**low, 10**high
        elif self.scale == "symlog":
            low, high = (float(np.sign(x) * SMALLEST * (10 ** abs(x) - 1)) for x in (low, high))
        return np.asarray(MaxNLocator(TICKS - 1, integer=integer).tick_values(low, high), float)

    def _powers(self) -> Iterator[float]:
        if self.scale == "linear":
            return
        every = [10.0**k for k in range(-12, 13)]
        both = [-x for x in every[::-1] if x > SMALLEST] + [0.0] + [x for x in every if x > SMALLEST]
        for tick in every if self.scale == "log" else both:
            if self.low <= float(self._transform(np.array(tick))) <= self.high:
                yield tick

    def _transform(self, values: Array) -> Array:
        if self.scale == "log":
            return np.log10(np.where(values > 0, values, np.nan))
        if self.scale == "symlog":
            return np.sign(values) * np.log10(1 + np.abs(values) / SMALLEST)
        return values


def lines(words: Words, long: pd.DataFrame, scale: Scale, rule: float | None = None) -> Lines | None:
    """A plot for each ``panel``, a line for each ``series``: the mean at each ``x`` with the range; None if empty.

    Args:
        words: what is said of it.
        long: ``panel``, ``series``, ``x``, ``value``; several values of one place are of several seeds.
        scale: of the values.
        rule: where to draw a horizontal line.
    """
    if long.empty:
        return None
    keys = ["panel", "series", "x"]
    seen = long.groupby(keys, sort=False)["value"].agg(["mean", "min", "max"]).reset_index()
    x = Axis(seen["x"].to_numpy(float), (LEFT, RIGHT))
    values = seen[["min", "max"]].to_numpy(float).ravel()
    y = Axis(np.append(values, rule) if rule else values, (BOTTOM - ROOM, TOP + ROOM), scale)

    def series(here: pd.DataFrame, name: str, look: int) -> Series:
        across = x.place(here["x"].to_numpy(float))
        middle, low, high = (y.place(here[column].to_numpy(float)) for column in ("mean", "min", "max"))
        ranged = here["max"].gt(here["min"]).any()
        return Series(name, look, _path(across, middle), _area(across, low, high) if ranged else "")

    place = "" if rule is None else f"{float(y.place(np.array(rule))):.1f}"
    return _lines(words, seen, series, (x, y), place)


def stacked(words: Words, parts: pd.DataFrame) -> Lines | None:
    """A plot for each ``panel`` of the parts of a whole at each ``x``, one on the other; None if empty.

    Args:
        words: what is said of it.
        parts: by panel and x, a column for each part, in order.
    """
    if parts.empty:
        return None
    tops = parts.cumsum(axis=1)
    panel, place = (parts.index.get_level_values(level) for level in (0, 1))
    edges = [
        pd.DataFrame({"panel": panel, "x": place, "series": name, "top": top, "bottom": top - part})
        for name, top, part in zip(parts, tops.to_numpy().T, parts.to_numpy().T, strict=True)
    ]
    long = pd.concat(edges, ignore_index=True)
    x, y = Axis(place.to_numpy(float), (LEFT, RIGHT)), Axis(np.array([0.0, 1.0]), (BOTTOM, TOP))

    def series(here: pd.DataFrame, name: str, look: int) -> Series:
        across = x.place(here["x"].to_numpy(float))
        low, high = (y.place(here[column].to_numpy(float)) for column in ("bottom", "top"))
        return Series(name, look, _path(across, high), _area(across, low, high))

    return _lines(words, long, series, (x, y), "", stacked=True)


def _lines(
    words: Words,
    long: pd.DataFrame,
    series: Callable[[pd.DataFrame, str, int], Series],
    axes: tuple[Axis, Axis],
    rule: str,
    stacked: bool = False,
) -> Lines:
    looks = {str(name): i % LOOKS for i, name in enumerate(long["series"].unique())}
    panels = [
        Panel(
            str(title), [series(one, str(name), looks[str(name)]) for name, one in here.groupby("series", sort=False)]
        )
        for title, here in long.groupby("panel", sort=False)
    ]
    legend = list(looks.items()) if 1 < len(looks) <= LOOKS else []
    x, y = axes
    ticks = x.ticks(integer=True), y.ticks()
    return Lines(words.name, words.title, words.axes, words.note, panels, legend, *ticks, stacked=stacked, rule=rule)


def _path(x: Array, y: Array) -> str:
    """Broken where there is no number; a place of its own is a dot."""
    known = np.isfinite(y)
    parts = []
    for i in np.flatnonzero(known):
        goes_on = i > 0 and known[i - 1]
        parts.append(f"{'L' if goes_on else 'M'}{x[i]:.1f} {y[i]:.1f}")
        if not goes_on and not (i + 1 < len(known) and known[i + 1]):
            parts.append("h0")
    return "".join(parts)


def _area(x: Array, low: Array, high: Array) -> str:
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return ""
    there = [f"{a:.1f} {b:.1f}" for a, b in zip(x[known], high[known], strict=True)]
    back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[known][::-1], low[known][::-1], strict=True)]
    return f"M{'L'.join(there + back)}Z"
