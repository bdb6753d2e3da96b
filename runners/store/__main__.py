"""Upkeep of a store: all but `publish` of an SQLite store alone.

python -m runners.store check
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ablations.record import DEFAULT_URI
from runners.options import TrackingUri

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

Study = Annotated[str, typer.Option(help="Name of the study.", show_default=False)]
To = Annotated[Path, typer.Option("--to", help="File to write, as loss.zip.", show_default=False)]
Archive = Annotated[Path, typer.Argument(help="File that export wrote.", show_default=False)]
Report = Annotated[Path, typer.Argument(help="Folder that analysis.report wrote.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command()
def check(tracking_uri: TrackingUri = DEFAULT_URI) -> None:
    """Find runs of dead drivers, runs finished twice, files and records that are gone. Exit code 1: there are some."""
    from runners.store.faults import check as find

    with _refused():
        found = find(tracking_uri)
    for fault in found:
        typer.echo(str(fault))
    typer.echo(f"{len(found)} faults" if found else "no faults")
    raise typer.Exit(1 if found else 0)


@app.command()
def gc(dry_run: DryRun = False, tracking_uri: TrackingUri = DEFAULT_URI) -> None:
    """Remove deleted runs, stray files and loose rows; mark runs of dead drivers killed, second copies superseded."""
    from runners.store.garbage import collect

    with _refused():
        done = collect(tracking_uri, dry_run)
    for line in done or ["nothing to do"]:
        typer.echo(line)
    if done and dry_run:
        typer.echo("nothing of this was done: --dry-run")


@app.command()
def export(study: Study, to: To, tracking_uri: TrackingUri = DEFAULT_URI) -> None:
    """Write a study with all that belongs to it to one file."""
    from runners.store.archive import export as write

    with _refused():
        runs = write(tracking_uri, study, to)
    typer.echo(f"{study}: {runs} runs are in {to} ({to.stat().st_size / 1e6:.1f} MB)")


@app.command(name="import")
def import_(archive: Archive, tracking_uri: TrackingUri = DEFAULT_URI) -> None:
    """Add the runs of such a file to a store, with the same ids; what the store has is left as it is."""
    from runners.store.archive import bring

    with _refused():
        done = bring(archive, tracking_uri)
    typer.echo(f"{done.study}: {done.added} runs were added, {done.known} were there already")


@app.command()
def publish(study: Study, folder: Report, tracking_uri: TrackingUri = DEFAULT_URI) -> None:
    """Put a report beside the runs that it is made of: under report/ of the study's run, its table in the note."""
    from runners.store.publish import publish as put

    with _refused():
        files = put(tracking_uri, study, folder)
    typer.echo(f"{study}: the report in {folder} is in MLflow: {files} files under report/ of the run 'study {study}'")


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    from runners.store import StoreError

    try:
        yield
    except StoreError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


if __name__ == "__main__":
    app()
