"""Tables whose cells are coloured by their numbers, which stand in them."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from ablations.record import Plan
from analysis.figures import heatmap
from analysis.page.sortable import anchor
from analysis.tables import Table, number

# A square with its number, and a character of a label and of a column's head, in rem.
SQUARE, LABEL, HEAD = 4.5, 0.5, 0.5


@dataclass(frozen=True)
class Square:
    """One number: its text, what more is to be said of it, and its place on the colour scale, from 0 to 1."""

    text: str
    tip: str
    level: str
    href: str = ""
    look: str = ""


@dataclass(frozen=True)
class Panel:
    """One table; ``None`` where there is no number."""

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Square | None]]]


def _width(panel: Panel) -> float:
    labels = max((len(label) for label, _ in panel.rows), default=0)
    words = [max(map(len, re.split("[ _]", column)), default=0) for column in panel.columns]
    return 1 + LABEL * labels + sum(max(SQUARE, 1 + HEAD * word) for word in words)


@dataclass(frozen=True)
class Heat:
    """Tables on one colour scale: a title, what the axes are, the ends of the scale, a note."""

    name: str
    title: str
    axes: str
    note: str
    scale: tuple[str, str]
    panels: Sequence[Panel]
    kind: Literal["heat"] = field(default="heat", init=False)

    @property
    def width(self) -> float:
        """What the widest table takes, from above, in rem: its labels, a line each, and its columns, a word a line."""
        return max((_width(panel) for panel in self.panels), default=0.0)


def means(plan: Plan, cells: Table) -> Heat | None:
    """The heatmaps of the study; None if it has not two factors, or no results."""
    axes = heatmap.axes_of(plan)
    if axes is None or cells.numbers["mean"].isna().all():
        return None
    panels, left_out = heatmap.panels(plan, cells, *axes)
    low, high = float(cells.numbers["mean"].min()), float(cells.numbers["mean"].max())
    places = {cell: i for i, cell in enumerate(cells.numbers.index)}
    tips = [_tip(row) for _, row in cells.readable.iterrows()]

    def square(panel: heatmap.Panel, y: int, x: int) -> Square | None:
        cell = panel.cell.to_numpy(object)[y, x]
        if pd.isna(cell):
            return None
        look, place = "baseline" if panel.baseline == (y, x) else "", places[cell]
        text, level = str(panel.annotation.iloc[y, x]), _level(float(panel.mean.to_numpy(float)[y, x]), low, high)
        return Square(text, tips[place], level, f"#{anchor(place)}", look)

    drawn = [
        Panel(
            panel.title,
            list(map(str, panel.mean.columns)),
            [
                (str(label), [square(panel, y, x) for x in range(panel.mean.shape[1])])
                for y, label in enumerate(panel.mean.index)
            ],
        )
        for panel in panels
        if panel.cell.notna().any(axis=None)
    ]
    hidden = f" {left_out} panels are not shown, no nearer to the baseline." if left_out else ""
    note = f"Box: the baseline. +, −, =: better or worse than it, equivalent; no sign: undecided.{hidden}"
    ends = number(low), number(high)
    return Heat("heatmap", f"Mean {plan.metric.name}", f"rows {axes[0]}, columns {axes[1]}", note, ends, drawn)


def matrices(heat: Heat, tables: Mapping[str, pd.DataFrame], lowest: float, highest: float) -> Heat | None:
    """Numbers on a scale from ``lowest`` to ``highest``; below 0 in another colour. None if there are none.

    Args:
        heat: all but the panels.
        tables: by title.
        lowest: of the scale.
        highest: of the scale.
    """
    panels = [_matrix(title, table, lowest, highest) for title, table in tables.items()]
    return Heat(heat.name, heat.title, heat.axes, heat.note, heat.scale, panels) if panels else None


def _matrix(title: str, table: pd.DataFrame, lowest: float, highest: float) -> Panel:
    names = list(map(str, table.columns))
    rows = []
    for label, values in table.astype(float).iterrows():
        squares = [
            None if math.isnan(value) else _square(value, f"{title}: {label}, {name}", lowest, highest)
            for name, value in zip(names, values, strict=True)
        ]
        rows.append((str(label), squares))
    return Panel(title, names, rows)


def _square(value: float, of: str, lowest: float, highest: float) -> Square:
    if lowest < 0:
        return Square(f"{value:z.2f}", f"{of}: {value:z.4f}", f"{abs(value):.3f}", look="negative" if value < 0 else "")
    spec = ".3f" if highest != 1 else ".2f"
    return Square(f"{value:{spec}}", f"{of}: {value:.4f}", _level(value, lowest, highest))


def _level(value: float, low: float, high: float) -> str:
    return "0" if math.isnan(value) or high <= low else f"{(value - low) / (high - low):.3f}"


def _tip(row: pd.Series) -> str:
    """What the table of cells has on a cell, in one line."""
    parts = [f"{label} {text}" for label, text in row.items() if label not in ("cell", "verdict") and text != "–"]
    verdict = f"; {row['verdict']}" if row["verdict"] != "–" else ""
    return f"{row['cell']}: {', '.join(parts)}{verdict}"
