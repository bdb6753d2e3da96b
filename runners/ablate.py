"""Bring the store to the state that a matrix declares: run what is missing.

python -m runners.ablate --matrix ablations/loss.yaml
"""

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.credentials import has_secrets
from ablations.record import DEFAULT_URI
from runners import options
from runners.checkpoints import SECONDS
from runners.placement import ExecutorName, Placement
from runners.selection import Selection

if TYPE_CHECKING:
    from ablations.record import Plan
    from ablations.study import Study

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, invoke_without_command=True)

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 130


@app.callback()
def main(
    context: typer.Context,
    matrix: options.Matrix = None,
    dry_run: options.DryRun = False,
    watch_: options.Watch = False,
    plain: options.Plain = False,
    seeds: options.Seeds = None,
    until_decided: options.UntilDecided = False,
    set_: options.Set = None,
    precision: options.Precision = None,
    only: options.Only = None,
    rerun: options.RerunOption = None,
    retries: options.Retries = 1,
    executor: options.Executor = ExecutorName.RAY,
    jobs: options.Jobs = None,
    pack: options.PackSize = "auto",
    gpus_per_trial: options.GpusPerTrial = 0.25,
    address: options.Address = None,
    checkpoints: options.CheckpointFolder = None,
    save_model: options.SaveModel = False,
    checkpoint_every: options.CheckpointEvery = SECONDS,
    tracking_uri: options.TrackingUri = DEFAULT_URI,
) -> None:
    """Run every cell of a matrix (--matrix, required) with every seed, and keep the results in MLflow.

    Runs that the store has are not repeated. Exit code 0: all are in the store; 1: a run failed; 2: bad input;
    130: interrupted by Ctrl-C or SIGTERM.
    """
    if context.invoked_subcommand:
        return None
    from rich.console import Console

    from ablations.study import load
    from runners import planner, probe, store, watch
    from runners.cost import Costs
    from runners.driver import Driver
    from runners.dry_run import print_state
    from runners.opening import announce
    from runners.terms import Terms

    with _exits():
        placement = Placement(executor, jobs, address, gpus_per_trial, pack, checkpoints, checkpoint_every)
        placement.check()
        uri, selection = store.absolute(tracking_uri), Selection(only, rerun)
        path = _required(matrix)
        study = load(path, _changes(set_, precision), _seeds(seeds), until_decided)
        announce(_say, path, study, uri)
        plan = _planned(study)
        if dry_run:
            return print_state(Console(), uri, study, plan, Costs(placement.slots(), probe.probe), selection)
        # Not as the environment of a CI forces it: what is no terminal gets lines.
        console = Console(stderr=True, force_terminal=sys.stderr.isatty() and not plain)
        if watch_:
            return watch.watch(console, uri, study, plan)
        terms = Terms(placement.largest, retries, command=_repeated(context, study), save_model=save_model)
        executor_ = placement.executor(uri, plan.study, planner.inputs(study, plan))
        costs = Costs(placement.slots(), probe.probe if executor is ExecutorName.RAY else None)
        failed = Driver(uri, executor_, console, terms, selection, costs=costs).bring_up_to_date(study, plan)
    raise typer.Exit(RUN_FAILED if failed else 0)


def _planned(study: "Study") -> "Plan":
    """The plan of a study; a task is tried before."""
    from runners import planner

    _say("loading the data ...")
    plan = planner.make_plan(study)
    if study.matrix.task:
        from runners.rehearsal import rehearse

        _say(f"trying {study.matrix.task} on its first batches ...")
        for note in rehearse(study, plan):
            _say(f"note: {note}")
    return plan


def _say(text: str) -> None:
    typer.echo(text, err=True)


@contextlib.contextmanager
def _exits() -> Iterator[None]:
    """Messages and exit codes of what is raised."""
    from ablations.problems import MatrixError
    from model.base import DataError
    from runners.executors import ExecutorError
    from runners.store import StoreError

    try:
        yield
    except (MatrixError, DataError, StoreError, ExecutorError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt:
        typer.echo("interrupted: finished runs are kept; the same command goes on from here.", err=True)
        raise typer.Exit(INTERRUPTED) from None


@app.command()
def init(path: Annotated[Path, typer.Argument(help="File to write, as ablations/mine.yaml.")]) -> None:
    """Write a commented matrix to start from."""
    from ablations.start import start

    with _exits():
        start(path)
    typer.echo(f"{path} is written. See what it would run: python -m runners.ablate --matrix {path} --dry-run")


def _changes(given: list[str] | None, precision: str | None) -> list[str]:
    return [*(given or []), *([] if precision is None else [f"training.precision={precision}"])]


def _required(matrix: Path | None) -> Path:
    from ablations.problems import MatrixError

    if matrix is None:
        raise MatrixError(
            "--matrix is missing: name a YAML file, or write one with: python -m runners.ablate init FILE"
        )
    return matrix


def _repeated(context: typer.Context, study: "Study") -> str:
    """The command that declares the same study; a URI with secrets is for the environment."""
    given = context.params
    words = ["python", "-m", "runners.ablate", "--matrix", str(given["matrix"])]
    words += [word for text in given["set_"] or [] for word in ("--set", text)]
    for name in ("precision", "seeds"):
        words += [f"--{name}", given[name]] if given[name] else []
    words += ["--until-decided"] if given["until_decided"] else []
    uri = given["tracking_uri"]
    words += [] if uri == DEFAULT_URI or has_secrets(uri) else ["--tracking-uri", uri]
    return "" if study.search else shlex.join(words)


def _seeds(text: str | None) -> list[int] | None:
    from ablations.matrix import MOST_SEEDS
    from ablations.problems import MatrixError
    from ablations.yaml_lines import MAX_DIGITS

    if text is None:
        return None
    words = text.split(",")
    if not all(word.strip().isdecimal() and len(word) <= MAX_DIGITS for word in words):
        raise MatrixError(f"--seeds {text}: write a number of seeds (5) or a list (0,1,7)")
    numbers = [int(word) for word in words]
    if len(numbers) == 1 and numbers[0] > MOST_SEEDS:
        raise MatrixError(f"--seeds {text}: at most {MOST_SEEDS:,} seeds are allowed")
    return numbers if len(numbers) > 1 else list(range(numbers[0]))


if __name__ == "__main__":
    app()
