"""Drivers in processes of their own, on a store that they share."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from ablations.study import load
from runners import planner, trial
from runners.checkpoints import OFF, Checkpoints
from runners.claims import Patience
from runners.driver import Driver
from runners.executors import Message, Progress
from runners.executors.inprocess import InProcess
from runners.planner import Pack
from runners.terms import Terms
from runners.trial import Load
from runners.trial import load as load_data

ROOT = Path(__file__).parents[2]
PATIENCE = Patience(beat=0.3, dead=3.0, poll=0.1)
SECONDS = 120.0


def start(matrix: Path, uri: str, gate: Path, hang: Path | None = None) -> "subprocess.Popen[str]":
    """A driver that begins when the gate exists; with ``hang`` it stays in its first pack until that exists."""
    command = [
        sys.executable,
        "-m",
        "tests.runners.drivers",
        str(matrix),
        uri,
        str(gate),
        *([str(hang)] if hang else []),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def until(there: Callable[[], object]) -> None:
    """Wait for something that comes.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + SECONDS
    while not there():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.1)


def _hanging(hang: Path) -> None:
    run_pack = trial.run_pack

    def hangs(
        pack: Pack,
        share: float,
        report: Callable[[Message], None],
        checkpoints: Checkpoints = OFF,
        load: Load = load_data,
    ) -> None:
        for spec in pack.runs:
            report(Progress(spec.run_key, time.time(), 0, ({"train/loss/total": 1.0},)))
        until(hang.exists)
        run_pack(pack, share, report, checkpoints, load)

    trial.run_pack = hangs


def _main(matrix: str, uri: str, gate: str, hang: str = "") -> int:
    study = load(Path(matrix))
    plan = planner.make_plan(study)
    if hang:
        _hanging(Path(hang))
    Path(f"{gate}.{os.getpid()}").touch()
    until(Path(gate).exists)
    driver = Driver(uri, InProcess(), Console(width=200), Terms(largest=2, patience=PATIENCE))
    return int(driver.bring_up_to_date(study, plan) > 0)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
