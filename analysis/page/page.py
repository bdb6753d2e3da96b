"""Puts the page together: sections of charts and tables, filled into the template."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.course import Course, drawn_cells
from analysis.figures import margins as pairs
from analysis.page import anatomy, heat, intervals, lines, provenance, summary
from analysis.page.heat import Heat
from analysis.page.intervals import Intervals
from analysis.page.lines import Lines, Words
from analysis.page.sortable import Sortable, sortable
from analysis.runs import Store, StudyRuns
from analysis.tables import Table

NAME = "report.html"
HERE = Path(__file__).parent
TITLES = {
    "cells": "Cells",
    "diverged": "If diverged runs count as the worst",
    "collapse": "Cells whose training fails with some seeds",
    "effects": "Effects of the factors",
    "path": "From the baseline to the other end, setting by setting",
    "margins": "Levels of the factors",
    "decisions": "How each contrast was decided",
    "breakdown": "Terms of the loss at the chosen epoch",
    "choice": "What is chosen on dev",
    "search": "Trials of the search",
    "sizes": "Sizes of the differences",
    "classes": "F1 of each class",
    "variance": "Where the uncertainty comes from",
    "noise": "More seeds, or a larger test set?",
}
Part = Sortable | Heat | Intervals | Lines


@dataclass(frozen=True)
class Section:
    """A heading and what is under it; ``None`` is left out."""

    anchor: str
    title: str
    parts: Sequence[Part | None]

    @property
    def shown(self) -> list[Part]:
        """What there is."""
        return [part for part in self.parts if part]


@dataclass(frozen=True)
class Report:
    """What a report has computed.

    Attributes:
        store: where the runs are.
        runs: the study.
        trials: of its search.
        tables: by name.
        course: of the drawn cells.
    """

    store: Store
    runs: StudyRuns
    trials: StudyRuns | None
    tables: Mapping[str, Table]
    course: Course | None


def write(report: Report, folder: Path, document: Mapping[str, Any], written: Sequence[Path]) -> Path:
    """Write the page; the same report gives the same bytes.

    Args:
        report: what is shown.
        folder: where to.
        document: the manifest, but for its files; ``ui`` is the address of the runs.
        written: the other files of the report.

    Returns:
        Its path.
    """
    script = (HERE / "page.js").read_text("utf-8")
    text = _template().render(
        study=report.runs.plan.study,
        metric=report.runs.plan.metric,
        counts=summary.counts(report.tables["cells"]),
        summary=summary.summary(report.runs, report.tables),
        rules=summary.rules(report.runs),
        sections=[section for section in sections(report, document["ui"]) if section.shown],
        facts=provenance.facts(document),
        ui=document["ui"].partition("/#/")[0],
        files=provenance.files(written, ["manifest.json"]),
        style=(HERE / "style.css").read_text("utf-8"),
        script=script,
        # Whatever else a text might smuggle in, the browser runs this script alone.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    path = folder / NAME
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    ).get_template("template.html.j2")  # fmt: skip


def sections(report: Report, address: str) -> list[Section]:
    """All sections, also empty ones, in the order of the page."""
    runs, trials, tables, course = report.runs, report.trials, report.tables, report.course
    plan, shown = runs.plan, {name: sortable(table, TITLES[name]) for name, table in tables.items()}
    drawn = drawn_cells(plan)
    score = plan.metric.name.replace("test/", "dev/")
    factors = intervals.margins(plan, tables["margins"]) if "margins" in tables else None
    names, left_out = (course.names, course.left_out) if course and runs.classified else ([], 0)
    classes = intervals.by_class(tables["classes"], drawn) if runs.classified else None
    confusion = anatomy.confusion(report.store.confusions(runs.frame, names), left_out)
    searched = provenance.runs_table(trials, address, "trials", "Runs of the search") if trials else None
    return [
        Section("against-the-baseline", "Against the baseline", [
            heat.means(plan, tables["cells"]), intervals.differences(plan, tables["cells"]), shown["cells"],
            shown.get("diverged"), shown.get("collapse"), _looks(runs), shown.get("decisions"), shown.get("sizes"),
        ]),
        Section("factors", "Which factor matters", [
            factors, shown["effects"], shown.get("margins"), shown.get("path"), _pairs(runs, tables),
        ]),
        Section("choice-of-a-cell", "Which cell to take", [shown["choice"], shown.get("search")]),
        Section("anatomy", "Anatomy of the loss", [
            *(anatomy.charts(course, score) if course else ()), shown.get("breakdown"),
        ]),
        Section("by-class", "Classes", [
            classes, confusion, shown.get("classes"),
        ]),
        Section("uncertainty", "Uncertainty", [shown.get("noise"), shown["variance"]]),
        Section("every-run", "Runs", [provenance.runs_table(runs, address, "runs", "Planned runs"), searched]),
    ]  # fmt: skip


def _pairs(runs: StudyRuns, tables: Mapping[str, Table]) -> Heat | None:
    """Means of pairs of factors."""
    if "margins" not in tables or tables["margins"].numbers["mean"].isna().all():
        return None
    frame, names = runs.frame.assign(score=runs.score).dropna(subset=["score"]), list(runs.plan.factors.values())
    found = pairs.interactions(frame, pairs.strongest(tables["effects"].numbers, names))
    if found.empty:
        return None
    grids = {
        f"{a} × {b}": here.pivot(index="x", columns="line", values="mean").reindex(
            here["x"].unique(), columns=here["line"].unique()
        )
        for (a, b), here in found.groupby(["a", "b"], sort=False)
    }
    low, high = float(found["mean"].min()), float(found["mean"].max())
    note = "Strongest first where there are many. Rows whose differences are alike do not interact."
    ends = f"{low:.3f}", f"{high:.3f}"
    about = Heat("interactions", "Pairs of factors", f"mean {runs.plan.metric.name}, rows × columns", note, ends, ())
    return heat.matrices(about, grids, low, high)


def _looks(runs: StudyRuns) -> Lines | None:
    """The evidence on each contrast as seeds were added."""
    from ablations import sequential
    from analysis.decisions import looks

    if runs.plan.stopping is None:
        return None
    found = looks(runs).rename(columns={"decision": "panel", "name": "series", "seeds": "x", "e_value": "value"})
    threshold = sequential.threshold(runs.plan)
    words = Words(
        "looks", "Evidence as seeds were added", "e-value over the seeds", f"Dotted: decided, from {threshold:g} on."
    )
    return lines.lines(words, found, "log", threshold)
