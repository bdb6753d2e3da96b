"""Recompute every number of a report from the store, and say which differ.

python -m analysis.verify paper/loss
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI
from analysis.floats import Float

if TYPE_CHECKING:
    from analysis.agreement import Agreement

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
DIFFERS, BAD_INPUT = 1, 2


@app.command()
def main(
    folder: Annotated[Path, typer.Argument(help="What analysis.report wrote.", show_default=False)],
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store to recompute from.")
    ] = DEFAULT_URI,
) -> None:
    """Recompute a report from the store and list what differs: numbers, files, runs.

    Exit code 0: all agrees; 1: something differs; 2: no report in the folder, or no such study or store.
    """
    from analysis.report import one_thread

    one_thread()
    from analysis.runs import StudyError

    try:
        store, found = verify(folder, tracking_uri)
    except StudyError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    for line in found.differences:
        typer.echo(line)
    basis = f"{found.numbers} numbers in {found.tables} tables"
    if found.differences:
        for hint in found.hints:
            typer.echo(f"note: {hint}", err=True)
        typer.echo(f"{len(found.differences)} differences to {basis} from {found.runs} runs in {store}", err=True)
        raise typer.Exit(DIFFERS)
    typer.echo(f"{basis} agree with {found.runs} runs in {store}")


def verify(folder: Path, uri: str) -> "tuple[str, Agreement]":
    """Compare a report with what the store gives now.

    Returns:
        What was read, and what came of it.

    Raises:
        StudyError: there is no report, or its study cannot be read.
    """
    from analysis import report
    from analysis.agreement import Report, compare
    from analysis.manifest import read
    from analysis.runs import Store

    written = Report(folder, read(folder))
    store = Store(uri)
    runs = store.load(written.manifest["study"])
    with tempfile.TemporaryDirectory() as temporary:
        again = Path(temporary)
        kind = Float(written.manifest.get("float", Float.AUTO))
        report.write(store, runs, again, written.manifest["allow_mixed"], written.manifest.get("ui"), kind)
        return store.uri, compare(written, Report(again, read(again)))


if __name__ == "__main__":
    app()
