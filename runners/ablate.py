"""Bring the store to the state that a matrix declares: run what is missing.

python -m runners.ablate --matrix ablations/loss.yaml
"""

from pathlib import Path
from typing import Annotated

import typer

from ablations.record import DEFAULT_URI
from runners.checkpoints import SECONDS
from runners.options import CheckpointEvery, CheckpointFolder, TrackingUri
from runners.placement import ExecutorName, Placement

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 130


@app.command()
def main(
    matrix: Annotated[Path, typer.Option(help="YAML file that declares the study.", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and start nothing.")] = False,
    seeds: Annotated[str | None, typer.Option(help="In place of the matrix's: a number, or a list as 0,1,7.")] = None,
    until_decided: Annotated[
        bool, typer.Option("--until-decided", help="Add seeds, up to 30 in all, to contrasts that are not decided.")
    ] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the base; repeatable.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="As --set training.precision: fp32, fp64, tf32 or bf16.", show_default=False)
    ] = None,
    executor: Annotated[ExecutorName, typer.Option(help="Ray Tune, or this process.")] = ExecutorName.RAY,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials at once. [default: one a core]", show_default=False)
    ] = None,
    pack: Annotated[
        str, typer.Option(help="Runs trained as one computation: auto, off, or at most this many.")
    ] = "auto",
    gpus_per_trial: Annotated[
        float, typer.Option(min=0, help="Share of a GPU for each trial, where there is one.")
    ] = 0.25,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.", show_default=False)] = None,
    checkpoints: CheckpointFolder = None,
    checkpoint_every: CheckpointEvery = SECONDS,
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Run every cell of a matrix with every seed, and keep the results in MLflow.

    Runs that the store has are not repeated. Exit code 0: all are in the store; 1: a run failed; 2: bad input.
    """
    from rich.console import Console

    from ablations.problems import MatrixError
    from ablations.study import load
    from model.base import DataError
    from runners import planner, store
    from runners.driver import Driver
    from runners.dry_run import print_state
    from runners.executors import ExecutorError

    try:
        placement = Placement(executor, jobs, address, gpus_per_trial, pack, checkpoints, checkpoint_every)
        placement.check()
        uri = store.absolute(tracking_uri)
        changes = [*(set_ or []), *([f"training.precision={precision}"] if precision else [])]
        study = load(matrix, changes, _seeds(seeds), until_decided)
        plan = planner.make_plan(study)
        if dry_run:
            return print_state(Console(), uri, study, plan, placement.slots())
        driver = Driver(uri, placement.executor(uri, plan.study), Console(stderr=True), placement.largest)
        failed = driver.bring_up_to_date(study, plan)
    except (MatrixError, DataError, store.StoreError, ExecutorError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt:
        typer.echo("interrupted: finished runs are kept; the same command goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(RUN_FAILED if failed else 0)


def _seeds(text: str | None) -> list[int] | None:
    from ablations.problems import MatrixError

    if text is None:
        return None
    words = text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise MatrixError(f"--seeds {text}: write a number of seeds (5) or a list (0,1,7)")
    numbers = [int(word) for word in words]
    return numbers if len(numbers) > 1 else list(range(numbers[0]))


if __name__ == "__main__":
    app()
