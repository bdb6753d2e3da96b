"""Ray Tune as the executor: the same results as in this process, and a killed worker is a failed run."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow import MlflowClient

from ablations.record import Kind, Tag
from benchmarks.torture import trials
from runners import ledger
from tests.runners.conftest import SMOKE, Store
from tests.runners.drivers import until

pytestmark = pytest.mark.timeout(240)

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
    runs = client.search_runs([experiment.experiment_id], f"tags.`{Tag.KIND}` = '{Kind.CELL}' and status = 'FINISHED'")
    names = ("test/weighted_f1", "train/loss/total", "best/epoch")
    return {run.data.tags[Tag.RUN_KEY]: tuple(run.data.metrics[name] for name in names) for run in runs}


RELATIVE = """
from pathlib import Path

import numpy as np

from model.task import Data
from tests.model.tasks import Regression, linear


class Relative(Regression):
    def load(self):
        x = np.loadtxt(Path("numbers.csv"), delimiter=",", dtype="float32")
        return Data({"x": x, "y": x[:, 0].copy()}, linear(20, 1), linear(20, 2), name="numbers")
"""


def test_a_path_means_the_same_to_a_trial_as_to_the_driver(tmp_path: Path) -> None:
    (tmp_path / "relative_task.py").write_text(RELATIVE)
    np.savetxt(tmp_path / "numbers.csv", np.arange(160.0).reshape(40, 4) / 100, delimiter=",")
    (tmp_path / "m.yaml").write_text(
        "study: tiny\ntask: relative_task:Relative\nbase: {training: {epochs: 1}}\nseeds: 2\n"
        "factors: {loss.weight.absolute: [0.5, 1.0]}\n"
    )
    command = [sys.executable, "-m", "runners.ablate", "--matrix", "m.yaml", "--tracking-uri", uri(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4/4 runs, 0 failed" in done.stderr


def test_a_long_path_of_temporary_files_does_not_keep_ray_from_starting(tmp_path: Path) -> None:
    long = tmp_path / ("scratch-of-a-job-" * 4)
    long.mkdir()
    (tmp_path / "m.yaml").write_text(SMOKE.replace("seeds: 2", "seeds: 1"))
    command = [sys.executable, "-m", "runners.ablate", "--matrix", str(tmp_path / "m.yaml")]
    done = subprocess.run(
        [*command, "--tracking-uri", uri(tmp_path)], cwd=ROOT, env={**os.environ, "TMPDIR": str(long)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{long} is too long a path for Ray's sockets; its session is in /tmp" in done.stderr
    assert "4/4 runs, 0 failed" in done.stderr


def test_trials_of_ray_give_the_results_of_this_process(store: Store, tmp_path: Path) -> None:
    process = start(tmp_path, SMOKE, "--jobs", "2")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output == ""
    assert "8/8 runs, 0 failed" in errors
    assert scores(uri(tmp_path)) == scores(store.uri)


@pytest.mark.parametrize(
    ("retries", "code", "expected"),
    [pytest.param("0", 1, [], marks=pytest.mark.slow), ("1", 0, ["FINISHED"])],
)
def test_a_killed_worker_is_a_failed_run_that_is_tried_again(
    tmp_path: Path, retries: str, code: int, expected: list[str]
) -> None:
    long = SMOKE.replace("epochs: 2", "epochs: 100").replace("[0.05, 0.5]", "[0.05]").replace("seeds: 2", "seeds: 1")
    process = start(tmp_path, long, "--jobs", "1", "--retries", retries)
    until(lambda: trials(process.pid))
    time.sleep(1)
    trials(process.pid)[0].kill()
    _, errors = process.communicate()
    assert process.returncode == code, errors
    assert f"2/2 runs, {code} failed" in errors
    assert "WorkerDied: the worker process died" in errors
    assert ("it is tried again" in errors) == (code == 0)
    runs = ledger.read(uri(tmp_path), "tiny").of(Kind.CELL)
    assert sorted(run.status for run in runs) == ["FAILED", "FINISHED", *expected]
    assert sorted(run.tags[Tag.ATTEMPT] for run in runs) == ["1", "1", *("2" for _ in expected)]


@pytest.mark.parametrize(
    ("number", "times"),
    [pytest.param(signal.SIGINT, 1, marks=pytest.mark.slow), (signal.SIGTERM, 1), (signal.SIGINT, 2)],
)
def test_an_interrupted_study_keeps_what_is_finished_and_leaves_no_process(
    tmp_path: Path, number: signal.Signals, times: int
) -> None:
    # So long that it cannot come to its end before the signal does, on however busy a machine.
    process = start(tmp_path, SMOKE.replace("epochs: 2", "epochs: 60").replace("seeds: 2", "seeds: 100"), "--jobs", "2")
    until(lambda: ledger.read(uri(tmp_path), "tiny").done())
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 2
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.5)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert re.search(r"stopping: nothing new starts, and the .*run.* that ha.* begun .* Ctrl-C again stops now", errors)
    assert re.search(r"stopped: \d+ of 400 runs are done, 0 failed", errors)
    assert "interrupted: finished runs are kept; the same command goes on from here" in errors
    assert "Traceback" not in errors
    runs = ledger.read(uri(tmp_path), "tiny").of(Kind.CELL)
    assert 0 < len(runs) < 400
    assert {run.status for run in runs} <= {"FINISHED", "KILLED"}
    # Ray's agents notice within seconds that their node is gone.
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive


STOPPED = """
import sys, threading, time
from pathlib import Path
from ablations.record import RunRecord
from ablations.study import load
from runners import planner
from runners.checkpoints import Checkpoints
from runners.executors.ray_tune import RayTune

folder = Path(sys.argv[1])
study = load(folder / "m.yaml")
runs = planner.missing_runs(study, planner.make_plan(study), ())
keys = {run.run_key for run in runs}
kept = Checkpoints(folder / "c", 0.01)

def stop_when_one_has_begun():
    while not kept.groups(keys):
        time.sleep(0.05)
    kept.request_stop()

with RayTune(2, None, 0.0, kept) as executor:
    threading.Thread(target=stop_when_one_has_begun, daemon=True).start()
    for _ in range(2):
        begun, records = kept.groups(keys), []
        packs = planner.make_packs(runs, planner.Slots(2, largest=2), begun)
        with kept.in_use():
            executor.run(packs, lambda spec, message: records.append(message))
        # A slow machine tells of its progress.
        records = [record for record in records if isinstance(record, RunRecord)]
        resumed = sum("resumed_after_epochs" in record.environment for record in records)
        print(len(begun), [record.outcome.value for record in records], resumed)
"""


def test_trials_that_are_asked_to_stop_are_not_failed_and_go_on(tmp_path: Path) -> None:
    """Two trials at once; the third never begins, the second perhaps."""
    cells = SMOKE.replace("seeds: 2", "seeds: 1").replace("[0.05, 0.5]", "[0.05, 0.5, 1.0]")
    (tmp_path / "m.yaml").write_text(cells.replace("epochs: 2", "epochs: 80"))
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    finished = ["finished"] * 6
    first, second = done.stdout.splitlines()
    assert first == "0 [] 0"
    assert second in (f"1 {finished} 2", f"2 {finished} 4")


SEARCH = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 1}}
design: search
search: {method: bayesian, trials: 4, seeds: [100, 101]}
factors:
  loss.encoder_weight: {low: 1e-3, high: 1, log: true}
  loss.classification: [{kind: nll}, {kind: focal}]
seeds: 1
"""


RAY = ("--jobs", "2")


@pytest.mark.parametrize("first", [("--executor", "inprocess"), pytest.param(RAY, marks=pytest.mark.slow)])
def test_a_search_runs_to_the_end_and_goes_on(tmp_path: Path, first: tuple[str, str]) -> None:
    for count, executor in (4, first), (6, RAY):
        process = start(tmp_path, SEARCH.replace("trials: 4", f"trials: {count}"), *executor)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        assert output == ""
        assert f"best of {count} trials by mean dev/weighted_f1 over 2 seeds" in errors
        known = ledger.read(uri(tmp_path), "tiny")
        keys = [run.tags[Tag.RUN_KEY] for run in known.of(Kind.SEARCH)]
        assert len(keys) == len(set(keys)) == count * 2
        assert len({run.tags[Tag.POINT] for run in known.of(Kind.SEARCH)}) == count
        assert {run.status for run in known.runs} == {"FINISHED"}
        assert known.done()
