"""Regenerate the tables and figures of a study from the store.

python -m analysis.report --study loss --out paper/loss
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis.course import Course
    from analysis.runs import Store, StudyRuns
    from analysis.tables import Table

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
BAD_INPUT = 2
MANIFEST = "manifest.json"


@app.command()
def main(
    study: Annotated[str, typer.Option(help="Name of the study.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to. [default: paper/STUDY]", show_default=False)
    ] = None,
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store to read.")
    ] = DEFAULT_URI,
) -> None:
    """Write the tables, figures and manifest of a study. Exit code 2: no such study or store."""
    from analysis.runs import Store, StudyError
    from analysis.tables import holes_sentence

    folder = out or Path("paper") / study
    try:
        store = Store(tracking_uri)
        runs = store.load(study)
        _require_folder(folder)
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    written = write(store, runs, folder)
    warning = holes_sentence(runs).strip()
    if warning:
        typer.echo(f"warning: {warning}", err=True)
    for path in written:
        typer.echo(str(path))


def _require_folder(folder: Path) -> None:
    from analysis.runs import StudyError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(f"cannot write to {folder}: {error}; choose another folder with --out") from error


def write(store: "Store", runs: "StudyRuns", folder: Path) -> list[Path]:
    """Write everything to an existing folder; returns the files."""
    from analysis.breakdown import breakdown_table
    from analysis.classes import classes_table
    from analysis.course import drawn_cells, read
    from analysis.decisions import decisions_table
    from analysis.figures import classes
    from analysis.figures.style import save, style
    from analysis.tables import cells_table, effects_table

    _remove_last(folder)
    course, trials = read(store, runs), store.search(runs.plan.study)
    cells, by_class = cells_table(runs), classes_table(runs)
    tables = [cells, effects_table(runs), by_class]
    tables += [breakdown_table(runs, course)] if course else []
    tables += [decisions_table(runs)] if runs.plan.stopping else []
    written = [path for table in tables for path in table.write(folder)]
    with style():
        figures = {"heatmap": _heatmaps(runs, cells), "classes": classes.draw(by_class, drawn_cells(runs.plan))}
        figures |= _courses(store, runs, course) if course else {}
        figures |= _decisions(runs) if runs.plan.stopping else {}
        for name, figure in figures.items():
            written += save(figure, folder, name) if figure else []
        written += _search(runs, trials, folder) if trials else []
    path = folder / MANIFEST
    document = manifest(runs) | ({"search": manifest(trials)} if trials else {})
    document["files"] = [file.name for file in written]
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return [*written, path]


def _remove_last(folder: Path) -> None:
    """Remove what the last report wrote: this one may have fewer figures, and an old one must not pass for new."""
    path = folder / MANIFEST
    if path.exists():
        for name in json.loads(path.read_text(encoding="utf-8")).get("files", []):
            (folder / Path(name).name).unlink(missing_ok=True)


def _search(runs: "StudyRuns", trials: "StudyRuns", folder: Path) -> list[Path]:
    from analysis.figures import search
    from analysis.figures.style import save
    from analysis.search import search_table

    table = search_table(trials, runs.plan)
    files = table.write(folder)
    if table.numbers["mean"].isna().all():
        return files
    return [*files, *save(search.draw(search.points(trials.plan, table), trials.plan.metric.name), folder, "search")]


def _decisions(runs: "StudyRuns") -> "dict[str, Figure | None]":
    from ablations import sequential
    from analysis.decisions import looks
    from analysis.figures import decisions

    return {"decisions": decisions.draw(looks(runs), sequential.threshold(runs.plan))}


def _heatmaps(runs: "StudyRuns", cells: "Table") -> "Figure | None":
    from analysis.figures import heatmap

    axes = heatmap.axes_of(runs.plan)
    if axes is None or cells.numbers["mean"].isna().all():
        return None
    return heatmap.draw(heatmap.panels(runs.plan, cells, *axes), runs.plan.metric.name)


def _courses(store: "Store", runs: "StudyRuns", course: "Course") -> "dict[str, Figure | None]":
    from analysis.figures import curves, matrices, shares, terms

    score, left_out = runs.plan.metric.name.replace("test/", "dev/"), course.left_out
    confusion = matrices.confusions(store.confusions(runs.frame, course.names))
    return {
        "curves": curves.draw(curves.curves(course, score), course, score),
        "shares": shares.draw(course),
        "weights": terms.draw(course, "train/weight/", "weight"),
        "gradients": terms.draw(course, "train/gradient/", "length of the weighted term's gradient"),
        "modules": matrices.draw(matrices.module_shares(course), "part of the push on a module", left_out),
        "cosines": matrices.draw(matrices.cosines(course), "cosine between gradients", left_out, lowest=-1.0),
        "confusion": matrices.draw(confusion, "predicted, as a part of what is true", left_out),
    }


def manifest(runs: "StudyRuns") -> dict[str, object]:
    """What the tables come from: plan, code, data, and the id of every run."""
    plan, frame = runs.plan, runs.frame
    versions = sorted(
        column for column in map(str, frame) if column.startswith("version.") or column == "mlflow.source.git.commit"
    )
    keep = ["run_key", "run_id", "cell", "seed", "outcome"]
    return {
        "study": plan.study,
        "schema": plan.schema,
        "plan_digest": plan.digest(),
        "code_digest": plan.code_digest,
        "data_digests": sorted({cell.data_digest for cell in plan.cells}),
        "metric": plan.metric.name,
        "baseline": plan.baseline,
        "versions": {column: sorted(frame[column].dropna().unique()) for column in versions},
        "planned": len(frame),
        "outcomes": frame["outcome"].value_counts().to_dict(),
        "runs": json.loads(frame[keep].to_json(orient="records")),
    }


if __name__ == "__main__":
    app()
