"""Ray Tune as the executor: the same results as in this process, and a killed worker is a failed run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from ablations.record import Kind, Tag
from runners import ledger
from tests.runners.conftest import SMOKE, Store

ROOT = Path(__file__).parents[2]


def start(folder: Path, text: str, *arguments: str) -> "subprocess.Popen[str]":
    matrix = folder / "m.yaml"
    matrix.write_text(text)
    command = [
        sys.executable,
        "-m",
        "runners.ablate",
        "--matrix",
        str(matrix),
        "--tracking-uri",
        uri(folder),
        *arguments,
    ]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def scores(uri: str) -> dict[str, tuple[float, ...]]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{Tag.KIND}` = '{Kind.CELL}'")
    names = ("test/weighted_f1", "train/loss/total", "best/epoch")
    return {run.data.tags[Tag.RUN_KEY]: tuple(run.data.metrics[name] for name in names) for run in runs}


@pytest.mark.timeout(240)
def test_trials_of_ray_give_the_results_of_this_process(store: Store, tmp_path: Path) -> None:
    process = start(tmp_path, SMOKE, "--jobs", "2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output == ""
    assert "8/8 runs, 0 failed" in errors
    assert scores(uri(tmp_path)) == scores(store.uri)


def _workers(driver: int) -> list[int]:
    """Processes of Ray that run a trial."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "cmdline").read_text()
        except OSError:
            continue
        if name.startswith("ray::") and "train" in name.lower():
            found.append(int(folder.name))
    return found


@pytest.mark.timeout(240)
def test_a_killed_worker_is_a_failed_run_and_the_study_goes_on(tmp_path: Path) -> None:
    long = SMOKE.replace("epochs: 2", "epochs: 400").replace("[0.05, 0.5]", "[0.05]").replace("seeds: 2", "seeds: 1")
    process = start(tmp_path, long, "--jobs", "1")
    deadline = time.monotonic() + 100
    while not (workers := _workers(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 1, errors
    assert "2/2 runs, 1 failed" in errors
    statuses = sorted(run.status for run in ledger.read(uri(tmp_path), "tiny").of(Kind.CELL))
    assert statuses == ["FAILED", "FINISHED"]
