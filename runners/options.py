"""The options of the commands."""

from pathlib import Path
from typing import Annotated

import typer

from runners.placement import ExecutorName
from runners.selection import Rerun

Matrix = Annotated[Path | None, typer.Option(help="YAML file that declares the study.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show the study as it fills up; start and write nothing.")]
Plain = Annotated[bool, typer.Option("--plain", help="Lines, and no live view; so it is where there is no terminal.")]
Seeds = Annotated[str | None, typer.Option(help="In place of the matrix's: a number, or a list as 0,1,7.")]
UntilDecided = Annotated[
    bool, typer.Option("--until-decided", help="Add seeds, up to 30 in all, to contrasts that are not decided.")
]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the base; repeatable.")]
Precision = Annotated[
    str | None, typer.Option(help="As --set training.precision: fp32, fp64, tf32 or bf16.", show_default=False)
]
Only = Annotated[
    str | None, typer.Option(metavar="CELL[:SEED]", help="One cell or run, by id or run key.", show_default=False)
]
RerunOption = Annotated[
    Rerun | None,
    typer.Option("--rerun", help="Of what is missing, what failed or is stale alone; or all, also what is finished."),
]
Retries = Annotated[int, typer.Option(min=0, max=1000, help="Further tries at a run that the machine broke.")]
Executor = Annotated[ExecutorName, typer.Option(help="Ray Tune, or this process.")]
Jobs = Annotated[
    int | None, typer.Option(min=1, max=100_000, help="Trials at once. [default: one a core]", show_default=False)
]
PackSize = Annotated[str, typer.Option(help="Runs trained as one computation: auto, off, or at most this many.")]
GpusPerTrial = Annotated[float, typer.Option(min=0, help="Share of a GPU for each trial, where there is one.")]
Address = Annotated[str | None, typer.Option(help="Ray cluster to join.", show_default=False)]
TrackingUri = Annotated[
    str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store: SQLite file, server or database.")
]
CheckpointFolder = Annotated[
    Path | None,
    typer.Option(
        "--checkpoints",
        help="Folder of the checkpoints, which all machines reach. [default: beside an SQLite store]",
        show_default=False,
    ),
]
SaveModel = Annotated[bool, typer.Option("--save-model", help="Keep the network of each run, at its chosen epoch.")]
CheckpointEvery = Annotated[float, typer.Option(min=0, help="Seconds between checkpoints of a trial; 0: none.")]
