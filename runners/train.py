"""One run by hand: a cell that no matrix declares, with the same record in the same store.

python -m runners.train --encoder_loss_weight 0.03 --cl_loss_weight 0.2 --reconstruction smooth_l1
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ablations.record import DEFAULT_URI
from model.base import kinds
from model.losses import ClassificationLoss, ReconstructionLoss
from model.weighting import Weighting
from runners.checkpoints import SECONDS, beside
from runners.options import CheckpointEvery, TrackingUri

if TYPE_CHECKING:
    from ablations.by_hand import Setting

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

BAD_INPUT, RUN_FAILED, INTERRUPTED = 2, 1, 130

# Each option of the command line and the setting that it is; of kinds, the place of the kind.
PATHS = {
    "encoder_loss_weight": "loss.encoder_weight",
    "gate_reg_weight": "loss.gate_weight",
    "cl_loss_weight": "loss.contrastive.weight",
    "reconstruction": "loss.reconstruction",
    "classification": "loss.classification",
    "class_weight": "loss.class_weight",
    "normalisation": "loss.normalisation",
    "weighting": "loss.weighting",
}
KINDS = {"reconstruction": ReconstructionLoss, "classification": ClassificationLoss, "weighting": Weighting}


def _option(name: str, text: str) -> Any:
    return typer.Option(f"--{name}", help=text, show_default=False)


def _kind(name: str) -> Any:
    return _option(name, f"Kind: {', '.join(kinds(KINDS[name]))}.")


@app.command()
def main(
    encoder_loss_weight: Annotated[
        float | None, _option("encoder_loss_weight", "Weight of the fusion encoder's terms.")
    ] = None,
    gate_reg_weight: Annotated[
        float | None, _option("gate_reg_weight", "Weight of the gates in them; means hierarchical fusion.")
    ] = None,
    cl_loss_weight: Annotated[float | None, _option("cl_loss_weight", "Weight of the contrastive term.")] = None,
    reconstruction: Annotated[str | None, _kind("reconstruction")] = None,
    classification: Annotated[str | None, _kind("classification")] = None,
    class_weight: Annotated[
        str | None, _option("class_weight", "none, inverse_frequency, effective_number, or a list as [1, 2.5].")
    ] = None,
    normalisation: Annotated[str | None, _option("normalisation", "Of the terms: none, log or minmax.")] = None,
    weighting: Annotated[str | None, _kind("weighting")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of initial weights, order, dropout, views.")] = 0,
    study: Annotated[str, typer.Option(help="Study that the run belongs to.")] = "train",
    out: Annotated[
        Path | None, typer.Option(help="Folder for tables and figures. [default: paper/STUDY]", show_default=False)
    ] = None,
    checkpoint_every: CheckpointEvery = SECONDS,
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Train one configuration with one seed, keep it in MLflow, print its loss breakdown and draw its curves.

    A run that the store already has is not repeated. Exit code 0: the run is in the store; 1: it failed; 2: bad input.
    """
    given = {key: value for key, value in locals().items() if key in PATHS and value is not None}
    from rich.console import Console

    from ablations.by_hand import by_hand
    from ablations.problems import MatrixError
    from model.base import DataError
    from runners import planner, store
    from runners.driver import Driver
    from runners.executors.inprocess import InProcess

    try:
        uri, folder = store.absolute(tracking_uri), out or Path("paper") / study
        _require_folder(folder)
        resolved = by_hand(study, _settings(given, set_ or []), seed)
        plan = planner.make_plan(resolved)
        typer.echo(f"{resolved.baseline.name}: seed {seed}", err=True)
        executor = InProcess(beside(uri, study, None, checkpoint_every))
        failed = Driver(uri, executor, Console(stderr=True)).bring_up_to_date(resolved, plan)
    except (MatrixError, DataError, store.StoreError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from error
    except KeyboardInterrupt:
        typer.echo(
            "interrupted: the same command goes on from the last checkpoint, if there was time for one.", err=True
        )
        raise typer.Exit(INTERRUPTED) from None
    if failed:
        raise typer.Exit(RUN_FAILED)
    _report(study, folder, uri)


def _require_folder(folder: Path) -> None:
    """Before anything is trained; the folder itself is made by the report."""
    from ablations.problems import MatrixError

    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        raise MatrixError(f"--out {folder}: {error.strerror}; choose another folder") from error
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise MatrixError(f"--out {folder}: cannot write to {there}; choose another folder")


def _settings(given: dict[str, Any], overrides: list[str]) -> "list[Setting]":
    from ablations.by_hand import Setting
    from ablations.overrides import override

    gates = [Setting("--gate_reg_weight", "model.fusion.kind", "hierarchical")]
    options = [_setting(key, value) for key, value in given.items()]
    others = [(text, override(text)) for text in overrides]
    return [
        *(gates if "gate_reg_weight" in given else []),
        *options,
        *(Setting(f"--set {text}", given.path, given.value, given.hint) for text, given in others),
    ]


def _setting(key: str, value: Any) -> "Setting":
    from ablations.by_hand import Setting
    from ablations.overrides import override

    option, hint = f"--{key} {value}", ""
    if key in KINDS:
        value = {"kind": value}
    if key == "class_weight":
        weights = override(f"{key}={value}")
        value, hint = weights.value, weights.hint
    return Setting(option, PATHS[key], value, hint)


def _report(study: str, folder: Path, uri: str) -> None:
    """What analysis makes of it, in a process of its own: neither package knows the other."""
    command = ["-m", "analysis.report", "--study", study, "--out", str(folder), "--tracking-uri", uri]
    done = subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)
    typer.echo(done.stderr, err=True, nl=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    # A run that diverged has no breakdown.
    for table in (folder / f"{name}.md" for name in ("breakdown", "cells")):
        if table.exists():
            typer.echo(table.read_text(encoding="utf-8"))
    typer.echo(f"curves, shares, gradients and the other figures: {folder}")


if __name__ == "__main__":
    app()
