"""Look into data files.

python -m model.data inspect FILE
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from model.data.dataset import Dataset

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BAD_INPUT = 2


@app.callback()
def main() -> None:
    """Data files that a study can be run on."""


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="An .npz file, or a pickle of JOYFUL, COGMEN or MMGCN.")],
) -> None:
    """Say what a data file holds: counts, dimensions, class balance, digest, and what a matrix says to use it.

    Nothing that the file asks for is run. Exit code 2: the file cannot be used.
    """
    import yaml
    from rich.console import Console

    from model.base import DataError
    from model.data.summary import summarise

    try:
        summary = summarise(file)
    except DataError as error:
        typer.echo(f"error: {str(error).removeprefix('data.path: ')}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    data, console = summary.dataset, Console()
    typer.echo(f"{file}: {summary.setting['kind']}, speakers in a dialogue: up to {data.speakers}\n")
    for table in (_splits(data), _features(data)):
        console.print(table, markup=False, highlight=False)
        typer.echo()
    for note in summary.notes:
        typer.echo(note)
    typer.echo(f"digest {data.digest}")
    line = yaml.safe_dump({"data": dict(summary.setting)}, default_flow_style=True, sort_keys=False, width=float("inf"))
    typer.echo(f"in the base of a matrix: {line.strip()}")


def _splits(data: "Dataset") -> "Table":
    """Dialogues, utterances, and the utterances of each class with their share, by split."""
    from model.data.dataset import SPLITS

    table = _table("", *SPLITS)
    splits = range(len(SPLITS))
    utterances = [int((data.split == split).sum()) for split in splits]
    table.add_row("dialogues", *(str(len(data.dialogues(split))) for split in splits))
    table.add_row("utterances", *map(str, utterances))
    for name, *counts in zip(data.label_names, *(data.count(split) for split in splits), strict=True):
        table.add_row(f"  {name}", *(f"{n} ({n / total:.1%})" for n, total in zip(counts, utterances, strict=True)))
    return table


def _features(data: "Dataset") -> "Table":
    table = _table("modality", "dimension")
    for key, feature in data.features.items():
        table.add_row(key, str(feature.shape[1]))
    return table


def _table(first: str, *columns: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    app()
