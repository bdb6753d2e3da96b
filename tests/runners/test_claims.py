"""Several drivers on one study: no run is lost, and none is done twice."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from ablations.record import Kind, Tag
from ablations.study import load
from analysis.runs import Store
from model.training import Trainer
from runners import ledger, planner, store
from runners.ablate import app
from runners.claims import Claims, Patience, new_driver
from runners.ledger import Ledger, StoredRun
from runners.tracking import Tracker
from tests.runners.conftest import SMOKE, run
from tests.runners.drivers import PATIENCE, ROOT, start, until
from tests.runners.test_selection import failing

pytestmark = pytest.mark.timeout(300)

NOTHING = Ledger(())


def declare(folder: Path, study: str, text: str = SMOKE) -> Path:
    path = folder / "m.yaml"
    path.write_text(text.replace("study: tiny", f"study: {study}"))
    return path


def ready(gate: Path, drivers: "Sequence[subprocess.Popen[str]]") -> None:
    until(lambda: all(Path(f"{gate}.{driver.pid}").exists() for driver in drivers))


def runs(uri: str, study: str, kind: Kind = Kind.CELL) -> list[StoredRun]:
    return ledger.read(uri, study).of(kind)


def finished_once(uri: str, matrix: Path) -> bool:
    """Whether each planned run is there, finished once, and the analysis finds it so."""
    study = load(matrix)
    plan = planner.make_plan(study)
    known = ledger.read(uri, plan.study)
    done = Counter(run.tags[Tag.RUN_KEY] for run in known.complete())
    frame = Store(uri).load(plan.study).frame
    return done == Counter(plan.run_keys().keys()) and set(frame["outcome"]) == {"finished"}


def owners(found: Sequence[StoredRun]) -> set[str]:
    return {run.tags[Tag.DRIVER] for run in found}


def test_four_drivers_at_once_share_a_new_study(shared: str, tmp_path: Path) -> None:
    matrix, gate = declare(tmp_path, "four", SMOKE.replace("seeds: 2", "seeds: 8")), tmp_path / "go"
    drivers = [start(matrix, shared, gate) for _ in range(4)]
    ready(gate, drivers)
    gate.touch()
    outputs = [driver.communicate()[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * 4, outputs
    assert finished_once(shared, matrix)
    found = runs(shared, "four")
    assert {run.status for run in found} == {"FINISHED"}
    assert len(owners(found)) > 1
    assert len(runs(shared, "four", Kind.STUDY)) == len(runs(shared, "four", Kind.CLAIMS)) == 1
    assert sum(int(run.tags[Tag.ATTEMPT]) for run in found) == 32
    assert any("by other drivers" in output for output in outputs)


def test_what_a_killed_driver_had_is_taken_over(server: str, tmp_path: Path) -> None:
    matrix, gate = declare(tmp_path, "killed"), tmp_path / "go"
    gate.touch()
    first = start(matrix, server, gate, tmp_path / "never")
    until(lambda: len(_running(server, "killed")) == 2)
    second = start(matrix, server, gate)
    until(lambda: sum(run.status == "FINISHED" for run in runs(server, "killed")) == 6)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    output = second.communicate()[0]
    assert second.returncode == 0, output
    assert "waiting for 2 runs of other drivers" in output
    assert finished_once(server, matrix)
    (dead,) = owners(killed := [run for run in runs(server, "killed") if run.status == "KILLED"])
    assert len(killed) == 2
    assert dead not in owners([run for run in runs(server, "killed") if run.status == "FINISHED"])


def test_a_suspended_driver_does_not_finish_what_another_took_over(server: str, tmp_path: Path) -> None:
    matrix, gate, hang = declare(tmp_path, "suspended"), tmp_path / "go", tmp_path / "on"
    gate.touch()
    first = start(matrix, server, gate, hang)
    until(lambda: len(_running(server, "suspended")) == 2)
    first.send_signal(signal.SIGSTOP)
    second = start(matrix, server, gate)
    output = second.communicate()[0]
    assert second.returncode == 0, output
    hang.touch()
    first.send_signal(signal.SIGCONT)
    output = first.communicate()[0]
    assert first.returncode == 0, output
    assert output.count("this driver was suspended, and another has taken the run over") == 2
    assert finished_once(server, matrix)
    assert Counter(run.status for run in runs(server, "suspended")) == {"FINISHED": 8, "KILLED": 2}


def test_a_living_driver_keeps_what_it_is_slow_with(server: str, tmp_path: Path) -> None:
    matrix, gate, hang = declare(tmp_path, "slow"), tmp_path / "go", tmp_path / "on"
    gate.touch()
    first = start(matrix, server, gate, hang)
    until(lambda: len(_running(server, "slow")) == 2)
    second = start(matrix, server, gate)
    until(lambda: sum(run.status == "FINISHED" for run in runs(server, "slow")) == 6)
    time.sleep(PATIENCE.dead + 1)
    hang.touch()
    assert [first.wait(), second.wait()] == [0, 0], first.communicate()[0] + second.communicate()[0]
    assert finished_once(server, matrix)
    assert {run.status for run in runs(server, "slow")} == {"FINISHED"}
    first.communicate()
    second.communicate()


def _running(uri: str, study: str) -> list[StoredRun]:
    return [run for run in runs(uri, study) if run.status == "RUNNING"]


SEARCH = """
study: tiny
base: {data: {dialogues: 12}, training: {epochs: 1}}
design: search
search: {method: bayesian, trials: 4, seeds: [100, 101]}
factors: {loss.encoder_weight: {low: 1e-3, high: 1, log: true}}
seeds: 2
"""


def test_two_drivers_make_the_trials_of_a_search_once(server: str, tmp_path: Path) -> None:
    matrix, gate = declare(tmp_path, "searched", SEARCH), tmp_path / "go"
    drivers = [start(matrix, server, gate) for _ in range(2)]
    ready(gate, drivers)
    gate.touch()
    outputs = [driver.communicate()[0] for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0] * 2, outputs
    trials = runs(server, "searched", Kind.SEARCH)
    keys = [run.tags[Tag.RUN_KEY] for run in trials]
    assert len(keys) == len(set(keys)) == 4 * 2
    results = [run.tags[Tag.RUN_KEY] for run in ledger.read(server, "searched").complete()]
    assert len(results) == len(set(results))
    assert any("waiting for the driver that does the search" in output for output in outputs)


@pytest.fixture
def board(server: str, tmp_path: Path) -> tuple[str, str]:
    """Of a study of its own: the URI, and the run of claims."""
    study = load(declare(tmp_path, tmp_path.name))
    return server, Tracker(server, planner.make_plan(study), study.text).claims_run


def claims(board: tuple[str, str], patience: Patience = PATIENCE) -> Claims:
    return Claims(*board, new_driver(), patience, NOTHING)


def test_a_claim_is_given_once(board: tuple[str, str]) -> None:
    first, second = claims(board), claims(board)
    with first.alive(), second.alive():
        assert first.take(["a", "b"]).runs == {"a", "b"}
        assert second.take(["b", "c"]).runs == {"c"}
        assert first.take(["a", "c"]).runs == {"a"}
        assert [first.holds("a"), second.holds("c")] == [True, True]


def test_what_a_driver_that_ended_had_is_free_at_once(board: tuple[str, str]) -> None:
    first, second = claims(board), claims(board)
    with second.alive():
        with first.alive():
            first.take(["a"])
            assert second.take(["a"]).runs == set()
        assert second.take(["a"]).runs == {"a"}
        assert not first.holds("a")


def test_a_driver_is_dead_when_it_has_been_silent_for_the_clock_of_the_other(board: tuple[str, str]) -> None:
    first, second = claims(board), claims(board, Patience(dead=0.5))
    first.take(["a"])  # no sign of life
    assert second.take(["a"]).runs == set()
    time.sleep(0.3)
    assert second.take(["a"]).runs == set()
    first._sign("1")
    assert second.take(["a"]).runs == set()
    time.sleep(0.3)
    assert second.take(["a"]).runs == set()
    time.sleep(0.3)
    assert second.take(["a"]).runs == {"a"}
    assert [first.holds("a"), second.holds("a")] == [False, True]


def test_the_password_of_a_store_is_nowhere_in_it(
    server: str, server_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = token_hex()  # not in this file, whose changes a run keeps
    matrix, uri = declare(tmp_path, "secret"), server.replace("//", f"//someone:{secret}@")
    monkeypatch.setattr(Trainer, "_epoch", failing(ValueError("no luck")))
    arguments = ["--matrix", str(matrix), "--executor", "inprocess", "--pack", "off", "--tracking-uri", uri]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    assert "to repeat the first of these alone: python -m runners.ablate" in result.stderr
    assert secret not in result.output
    assert {run.status for run in runs(server, "secret")} == {"FINISHED", "FAILED"}
    files = [path for path in server_folder.rglob("*") if path.is_file()]
    assert {"mlflow.db", "error.txt", "plan.json"} <= {path.name for path in files}
    assert not [path for path in files if secret.encode() in path.read_bytes()]


def test_a_superseded_run_does_not_count_even_if_its_driver_finishes_it(tmp_path: Path) -> None:
    done = run(tmp_path)
    before = ledger.read(done.uri, "tiny").complete()
    client = MlflowClient(done.uri)
    ended = client.get_run(before[0].run_id).info.end_time
    store.supersede(client, before[0].run_id)
    assert client.get_run(before[0].run_id).info.end_time == ended
    client.set_terminated(before[0].run_id, "FINISHED")
    assert ledger.read(done.uri, "tiny").complete() == before[1:]
    assert list(Store(done.uri).load("tiny").frame["outcome"]).count("missing") == 1


def test_four_drivers_at_once_on_a_new_file_are_one(tmp_path: Path) -> None:
    matrix, uri = declare(tmp_path, "tiny"), f"sqlite:///{tmp_path}/new/mlflow.db"
    command = [sys.executable, "-m", "runners.ablate", "--matrix", str(matrix), "--tracking-uri", uri]
    drivers = [
        subprocess.Popen([*command, "--executor", "inprocess"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [driver.communicate()[1] for driver in drivers]
    codes = [driver.returncode for driver in drivers]
    assert 0 in codes, errors
    refused = [error for code, error in zip(codes, errors, strict=True) if code]
    assert set(codes) <= {0, 2}
    assert all("another driver is running the study 'tiny'" in error for error in refused)
    assert finished_once(uri, matrix)
    assert len(runs(uri, "tiny")) == 8
