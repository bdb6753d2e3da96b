"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
CheckpointEvery = Annotated[float, typer.Option(min=0, help="Seconds between checkpoints of a trial; 0: none.")]
