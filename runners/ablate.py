"""Bring the store to the state that a matrix declares: run what is missing.

python -m runners.ablate --matrix ablations/loss.yaml
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI

if TYPE_CHECKING:
    from runners.executors import Executor

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 130


class ExecutorName(StrEnum):
    """Where runs are executed."""

    RAY = "ray"
    INPROCESS = "inprocess"


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
    executor: Annotated[
        ExecutorName, typer.Option(help="Ray Tune trials, or one after the other in this process.")
    ] = ExecutorName.RAY,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Trials at once. [default: one a core]", show_default=False)
    ] = None,
    pack: Annotated[
        str, typer.Option(help="Runs trained as one batched computation: auto, off, or at most this many.")
    ] = "auto",
    gpus_per_trial: Annotated[
        float, typer.Option(min=0, help="Share of a GPU for each trial, where there is one.")
    ] = 0.25,
    address: Annotated[str | None, typer.Option(help="Ray cluster to join.", show_default=False)] = None,
    tracking_uri: Annotated[
        str, typer.Option(envvar="MLFLOW_TRACKING_URI", help="MLflow store: SQLite file, server or database.")
    ] = DEFAULT_URI,
) -> None:
    """Run every cell of a matrix with every seed, and keep the results in MLflow.

    Runs that the store already has are not repeated. Exit code 0: all runs are in the store; 1: a run failed; 2: bad
    input.
    """
    from rich.console import Console

    from ablations.problems import MatrixError
    from ablations.study import load
    from model.base import DataError
    from runners import planner, store
    from runners.driver import Driver
    from runners.dry_run import AtOnce, print_state
    from runners.executors import ExecutorError

    try:
        at_once = AtOnce(_trials(executor, jobs, address), _largest(pack))
        uri = store.absolute(tracking_uri)
        study = load(matrix, set_ or [], _seeds(seeds), until_decided)
        plan = planner.make_plan(study)
        if dry_run:
            return print_state(Console(), uri, study, plan, at_once)
        runner = _executor(executor, jobs, address, gpus_per_trial)
        driver = Driver(uri, runner, Console(stderr=True), at_once.largest)
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


def _largest(pack: str) -> int | None:
    from ablations.problems import MatrixError

    if pack in ("auto", "off"):
        return None if pack == "auto" else 1
    if not pack.isdecimal() or int(pack) < 1:
        raise MatrixError(f"--pack {pack}: write auto, off, or a number of runs (16)")
    return int(pack)


def _trials(executor: ExecutorName, jobs: int | None, address: str | None) -> int:
    """Trials at once."""
    from ablations.problems import MatrixError

    if executor is ExecutorName.INPROCESS and (jobs or address):
        raise MatrixError("--executor inprocess runs one trial at a time: --jobs and --address go with --executor ray")
    return 1 if executor is ExecutorName.INPROCESS else jobs or _cores()


def _executor(name: ExecutorName, jobs: int | None, address: str | None, gpus_per_trial: float) -> "Executor":
    if name is ExecutorName.INPROCESS:
        from runners.executors.inprocess import InProcess

        return InProcess()
    from runners.executors.ray_tune import RayTune

    return RayTune(jobs or (None if address else _cores()), address, gpus_per_trial)


def _cores() -> int:
    """Cores that this process may use; macOS cannot tell them from those that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    app()
