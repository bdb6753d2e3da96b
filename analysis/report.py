"""Regenerate the tables, figures and page of a study from the store.

python -m analysis.report --study loss --out paper/loss
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI
from analysis.floats import Float

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from analysis.course import Course
    from analysis.runs import Store, StudyRuns
    from analysis.tables import Table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
BAD_INPUT = 2


@app.command()
def main(
    study: Annotated[str, typer.Option(help="Name of the study.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to. [default: paper/STUDY]", show_default=False)
    ] = None,
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store to read.")
    ] = DEFAULT_URI,
    allow_mixed: Annotated[
        str, typer.Option(metavar="NAMES", help="Settings that cells may differ in: epochs, select, data.")
    ] = "",
    float_: Annotated[
        Float, typer.Option("--float", help="LaTeX environment of the tables; in two columns: 'table*'.")
    ] = Float.AUTO,
) -> None:
    """Write the tables, figures, manifest and page (report.html) of a study.

    Exit code 2: no such study or store, or its cells are not comparable.
    """
    one_thread()
    from analysis.page.summary import failures
    from analysis.runs import Store, StudyError
    from analysis.tables import holes_sentence

    folder = out or Path("paper") / study
    allowed = [name.strip() for name in allow_mixed.split(",") if name.strip()]
    try:
        store = Store(tracking_uri)
        runs = store.load(study)
        written = write(store, runs, folder, allowed, kind=float_)
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    for warning in filter(None, [holes_sentence(runs).strip(), *failures(_failures(runs))]):
        typer.echo(f"warning: {warning}", err=True)
    for path in written:
        typer.echo(str(path))


def _failures(runs: "StudyRuns") -> "dict[str, Table]":
    """The tables of seeds whose training failed, by name."""
    from analysis.collapse import collapse_table
    from analysis.sensitivity import diverged_table

    return {table.name: table for table in [*diverged_table(runs), *collapse_table(runs)]}


def one_thread() -> None:
    """Before numpy is imported: sums are then the same bits on any number of cores. Two would gain nothing here."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def require_folder(folder: Path) -> None:
    """Make the folder, or raise a ``StudyError`` that says why it cannot be."""
    from analysis.runs import StudyError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"cannot write to {folder}: {error}; choose another folder with --out") from error


def write(
    store: "Store",
    runs: "StudyRuns",
    folder: Path,
    allowed: Sequence[str] = (),
    ui: str | None = None,
    kind: Float = Float.AUTO,
) -> list[Path]:
    """Write everything to a folder; returns the files, the page last.

    Args:
        store: where the runs are.
        runs: the study.
        folder: made if need be; what an earlier report wrote there is replaced.
        allowed: settings that the cells may differ in, names of ``analysis.mixing.SETTINGS``.
        ui: where the page finds a run, the id of which follows; of its store if not given.
        kind: environment of the tables in LaTeX, by default as their length asks.

    Raises:
        StudyError: the cells are not comparable, or the folder cannot be written; nothing was written.
    """
    from analysis import manifest
    from analysis.course import read
    from analysis.figures.style import save, style
    from analysis.mixing import mixtures, refuse
    from analysis.page import page
    from analysis.page.provenance import runs_address
    from analysis.search import search_table

    study, trials = runs.plan.study, store.search(runs.plan.study)
    mixed = mixtures(runs.plan, trials.plan if trials else None)
    refuse(study, mixed, allowed)
    require_folder(folder)
    _remove_last(folder)
    course = read(store, runs)
    note = "".join(f" {mixture.sentence()}" for mixture in mixed)
    tables = [replace(table, caption=table.caption + note) for table in _tables(store, runs, trials, course)]
    written = [path for table in tables for path in table.write(folder, study, kind)]
    written.append(_macros(study, tables, folder))
    with style():
        # One at a time: each takes ten megabytes while it is there.
        for name, figure in _figures(store, runs, tables, course):
            written += save(figure, folder, name) if figure else []
        searched = [search_table(trials, runs.plan)] if trials else []
        written += _search(trials, searched[0], folder, kind) if trials else []
    document = {"command": _command(study, allowed, kind), "allow_mixed": list(allowed), "float": kind}
    document |= {"ui": ui or runs_address(store, study)} | manifest.manifest(runs, trials, store.runs(study))
    shown = page.Report(store, runs, trials, {table.name: table for table in [*tables, *searched]}, course)
    html = page.write(shown, folder, document, written)
    return [*written, manifest.write(folder, document, [*written, html]), html]


def _tables(
    store: "Store", runs: "StudyRuns", trials: "StudyRuns | None", course: "Course | None"
) -> "Iterator[Table]":
    """All tables that the study has, in the order in which they are written."""
    from analysis.breakdown import breakdown_table
    from analysis.choice import choice_table
    from analysis.classes import classes_table
    from analysis.decisions import decisions_table
    from analysis.effect_sizes import sizes_table
    from analysis.factors import effects_table, margins_table
    from analysis.noise import noise_table
    from analysis.path import path_table, ways
    from analysis.tables import cells_table
    from analysis.variance import variance_table

    effects, variance = effects_table(runs), variance_table(store, runs)
    yield cells_table(runs)
    yield from _failures(runs).values()
    yield effects
    if runs.classified:
        yield classes_table(runs)
    yield choice_table(runs, trials)
    yield variance
    yield from noise_table(runs, variance.numbers)
    if len(runs.plan.cells) > 1:
        yield sizes_table(runs)
    if runs.plan.factors:
        yield margins_table(runs, effects)
    if found := ways(runs.plan):
        yield path_table(runs, found)
    if course:
        yield breakdown_table(runs, course)
    if runs.plan.stopping:
        yield decisions_table(runs)


def _command(study: str, allowed: Sequence[str], kind: Float) -> str:
    mixed = f" --allow-mixed {','.join(allowed)}" if allowed else ""
    environment = "" if kind is Float.AUTO else f" --float '{kind}'"
    return f"python -m analysis.report --study {study}{mixed}{environment}"


def _remove_last(folder: Path) -> None:
    """Remove what the last report wrote: this one may have fewer figures, and an old one must not pass for new."""
    from analysis.manifest import last_files

    for path in last_files(folder):
        path.unlink()


def _search(trials: "StudyRuns", table: "Table", folder: Path, kind: Float) -> list[Path]:
    from analysis.figures import search
    from analysis.figures.style import save

    files = table.write(folder, trials.plan.study, kind)
    if table.numbers["mean"].isna().all():
        return files
    return [*files, *save(search.draw(search.points(trials.plan, table), trials.plan.metric.name), folder, "search")]


def _figures(
    store: "Store", runs: "StudyRuns", tables: "Sequence[Table]", course: "Course | None"
) -> "Iterator[tuple[str, Figure | None]]":
    """Name and figure of each; None where there is nothing to draw."""
    from analysis.course import drawn_cells
    from analysis.figures import classes

    by_name = {table.name: table for table in tables}
    yield "forest", _forest(runs, by_name["cells"])
    yield "heatmap", _heatmaps(runs, by_name["cells"])
    if runs.plan.factors:
        yield from _margins(runs, by_name["margins"].numbers, by_name["effects"].numbers)
    if runs.classified:
        yield "classes", classes.draw(by_name["classes"], drawn_cells(runs.plan))
    if course:
        yield from _courses(store, runs, course)
    if runs.plan.stopping:
        yield "decisions", _decisions(runs)


def _decisions(runs: "StudyRuns") -> "Figure":
    from ablations import sequential
    from analysis.decisions import looks
    from analysis.figures import decisions

    return decisions.draw(looks(runs), sequential.threshold(runs.plan))


def _macros(study: str, tables: "Sequence[Table]", folder: Path) -> Path:
    from analysis import latex

    path = folder / "numbers.tex"
    found = (latex.macros(study, table.name, table.readable) for table in tables)
    path.write_text("".join([latex.LOOKUP, *found]), "utf-8")
    return path


def _forest(runs: "StudyRuns", cells: "Table") -> "Figure | None":
    from analysis.figures import forest

    drawn = forest.contrasts(cells.numbers, runs.plan)
    return None if drawn.empty else forest.draw(drawn, runs.plan, len(runs.plan.cells) - 1 - len(drawn))


def _margins(
    runs: "StudyRuns", means: "pd.DataFrame", effects: "pd.DataFrame"
) -> "Iterator[tuple[str, Figure | None]]":
    from analysis.figures import margins
    from analysis.statistics.effects import PAIR

    frame, metric = runs.frame.assign(score=runs.score), runs.plan.metric
    if means["mean"].isna().all():
        return
    yield "margins", margins.draw(means, metric.name)
    factors = list(means["factor"].unique())
    shown = margins.strongest(effects, factors)
    pairs = margins.interactions(frame.dropna(subset=["score"]), shown)
    left_out = sum(PAIR in effect for effect in effects.index) - len(shown)
    yield "interactions", None if pairs.empty else margins.draw_interactions(pairs, metric.name, left_out)


def _heatmaps(runs: "StudyRuns", cells: "Table") -> "Figure | None":
    from analysis.figures import heatmap

    axes = heatmap.axes_of(runs.plan)
    if axes is None or cells.numbers["mean"].isna().all():
        return None
    return heatmap.draw(*heatmap.panels(runs.plan, cells, *axes), runs.plan.metric.name)


def _courses(store: "Store", runs: "StudyRuns", course: "Course") -> "Iterator[tuple[str, Figure | None]]":
    from analysis.figures import curves, matrices, shares, terms

    score, left_out = runs.plan.metric.name.replace("test/", "dev/"), course.left_out
    yield "curves", curves.draw(curves.curves(course, score), course, score)
    yield "shares", shares.draw(course)
    yield "weights", terms.draw(course, "train/weight/", "weight")
    yield "gradients", terms.draw(course, "train/gradient/", "length of the weighted term's gradient")
    pushes = matrices.module_shares(course)
    yield "modules", matrices.draw(pushes, "part of the push on a module", left_out)
    cosines = matrices.cosines(course)
    yield "cosines", matrices.draw(cosines, "cosine between gradients", left_out, lowest=-1.0)
    if runs.classified:
        confusion = matrices.confusions(store.confusions(runs.frame, course.names))
        yield "confusion", matrices.draw(confusion, "predicted, as a part of what is true", left_out)


if __name__ == "__main__":
    app()
