"""The loss taken apart, and what the models confuse: charts of the cells whose course is drawn."""

from collections.abc import Iterator

import pandas as pd

from analysis.course import Course
from analysis.figures import curves, matrices, shares
from analysis.page import heat, lines
from analysis.page.heat import Heat
from analysis.page.lines import Lines, Words

RANGE = "Mean and range over seeds."


def charts(course: Course, score: str) -> "Iterator[Lines | Heat | None]":
    """Of the terms of the loss; None where something was not measured.

    Args:
        course: of the cells.
        score: the dev metric.
    """
    hidden = f"{course.left_out} cells are not shown." if course.left_out else ""
    axes = "share of the total over the epochs"
    yield lines.stacked(Words("shares", "What part of the loss each term is", axes, hidden), shares.shares(course))
    drawn = curves.curves(course, score)
    drawn = drawn[drawn["name"].isin(course.names[: curves.MOST])]
    note = f"{RANGE} {course.left_out + max(0, len(course.names) - curves.MOST)} cells are not shown."
    long = drawn.rename(columns={"name": "panel", "epoch": "x"})
    loss, dev = (long[long["part"] == part] for part in ("loss", "score"))
    yield lines.lines(Words("curves", "Weighted terms and their total", "loss over the epochs", note), loss, "log")
    yield lines.lines(Words("score", f"{score} in training", "score over the epochs", note), dev, "linear")
    note = f"{RANGE} {hidden}"
    weights = Words("weights", "Weights of the terms", "weight over the epochs", note)
    yield lines.lines(weights, _long(course, "train/weight/"), "symlog")
    gradients = Words("gradients", "Gradients of the weighted terms", "length over the epochs", note)
    yield lines.lines(gradients, _long(course, "train/gradient/"), "symlog")
    yield from _pushes(course, hidden)


def _pushes(course: Course, hidden: str) -> "Iterator[Heat | None]":
    axes = "rows: terms, columns: modules"
    about = Heat("modules", "Which term pushes which module", axes, hidden, ("0", "1"), ())
    yield heat.matrices(about, matrices.module_shares(course), 0.0, 1.0)
    axes = "rows and columns: terms"
    about = Heat("cosines", "Whether the terms pull the same way", axes, f"Cosine. {hidden}", ("−1", "1"), ())
    yield heat.matrices(about, matrices.cosines(course), -1.0, 1.0)


def confusion(counts: dict[str, pd.DataFrame], hidden: int) -> Heat | None:
    """What each class was taken for."""
    note = f"As a part of what is true.{f' {hidden} cells are not shown.' if hidden else ''}"
    about = Heat("confusion", "What each class was taken for", "rows: true, columns: predicted", note, ("0", "1"), ())
    return heat.matrices(about, matrices.confusions(counts), 0.0, 1.0)


def _long(course: Course, prefix: str) -> pd.DataFrame:
    return course.long(prefix).rename(columns={"name": "panel", "term": "series", "epoch": "x"})
