"""The same cells on several data sets: side by side, by ranks, with a critical-difference diagram.

python -m analysis.across --studies presets,presets_mosi,presets_meld --out paper/across
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI
from analysis.floats import Float
from analysis.report import BAD_INPUT, require_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.blocks import Blocks
    from analysis.runs import StudyRuns

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    studies: Annotated[str, typer.Option(help="Names of the studies, with commas.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("paper/across"),
    data: Annotated[
        str,
        typer.Option(
            metavar="FACTORS", help="Factors whose levels are the data sets. [default: all that change the data]"
        ),
    ] = "",
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store to read.")
    ] = DEFAULT_URI,
    float_: Annotated[
        Float, typer.Option("--float", help="LaTeX environment of the tables; in two columns: 'table*'.")
    ] = Float.AUTO,
) -> None:
    """Compare the cells that several data sets share. Exit code 2: no such study, or nothing is shared."""
    from analysis.blocks import blocks
    from analysis.runs import Store, StudyError
    from analysis.tables import holes_sentence

    try:
        store = Store(tracking_uri)
        names = _names(studies)
        if not names:
            raise StudyError(f"--studies names none; the studies there are: {', '.join(sorted(store.studies))}")
        runs = [store.load(name) for name in names]
        compared = blocks(runs, _names(data))
        require_folder(out)
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    warnings = [f"{one.plan.study}:{text}" for one in runs if (text := holes_sentence(one))]
    if compared.left_out:
        warnings.append(f"left out, as not every data set has them: {', '.join(compared.left_out)}")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    for path in write(runs, compared, out, warnings, float_):
        typer.echo(str(path))


def _names(text: str) -> list[str]:
    return list(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def write(
    runs: "Sequence[StudyRuns]",
    compared: "Blocks",
    folder: Path,
    warnings: "Sequence[str]" = (),
    kind: Float = Float.AUTO,
) -> list[Path]:
    """Write the tables, the diagram and the manifest to an existing folder; returns the files."""
    from analysis import manifest
    from analysis.figures import critical_difference
    from analysis.figures.style import save, style
    from analysis.side_by_side import pairs_table, side_by_side_table
    from analysis.statistics.ranks import ranks

    ranked = ranks(compared.means, compared.metric.direction)
    tables = [side_by_side_table(compared, ranked, warnings), pairs_table(compared, ranked)]
    written = [path for table in tables for path in table.write(folder, "-".join(one.plan.study for one in runs), kind)]
    with style():
        written += save(critical_difference.draw(ranked), folder, "critical_difference")
    return [*written, manifest.write(folder, {"studies": [manifest.planned(one) for one in runs]}, written)]


if __name__ == "__main__":
    app()
