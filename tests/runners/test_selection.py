"""What is run again, and what a failure leaves behind."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ablations.record import Kind, Outcome, RunRecord, Tag
from analysis.runs import Store as StoreReader
from model.training import Trainer
from runners import ledger, retries
from runners.ablate import app
from runners.ledger import StoredRun
from tests.runners.conftest import SMOKE

URI = "sqlite:///mlruns/mlflow.db"
ONE_SEED = SMOKE.replace("seeds: 2", "seeds: 1")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "m.yaml").write_text(ONE_SEED)
    return tmp_path


def ablate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["--matrix", "m.yaml", "--executor", "inprocess", *arguments])


def stored() -> list[StoredRun]:
    return ledger.read(URI, "tiny").of(Kind.CELL)


def failing(error: Exception, times: float = float("inf")) -> Callable[..., Any]:
    """An epoch that raises for focal loss, so many times."""
    epoch, raised = Trainer._epoch, Counter[str]()

    def fails(self: Trainer, number: int, alive: Sequence[int]) -> Any:
        focal = any(config.loss.classification.kind == "focal" for config in self.configs)
        if focal and len(self.configs) == 1 and raised["times"] < times:
            raised["times"] += 1
            raise error
        return epoch(self, number, alive)

    return fails


def statuses() -> Counter[str]:
    return Counter(run.status for run in stored())


def test_a_run_that_lacked_memory_is_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_epoch", failing(MemoryError("none left"), 1))
    result = ablate("--pack", "off")
    assert result.exit_code == 0, result.output
    assert "MemoryError: none left; it is tried again" in result.stderr
    assert statuses() == {"FAILED": 1, "FINISHED": 4}
    (failed,) = (run for run in stored() if run.status == "FAILED")
    (again,) = (run for run in stored() if run.tags[Tag.ATTEMPT] == "2")
    assert failed.tags[Tag.RUN_KEY] == again.tags[Tag.RUN_KEY]
    assert failed.tags[Tag.ERROR] == "MemoryError: none left"
    assert Tag.REPEAT not in failed.tags
    assert set(StoreReader(URI).load("tiny").frame["outcome"]) == {"finished"}


def test_a_run_is_tried_again_as_often_as_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_epoch", failing(ConnectionResetError("gone")))
    assert ablate("--pack", "off", "--retries", "2").exit_code == 1
    assert statuses() == {"FAILED": 6, "FINISHED": 2}
    assert Counter(run.tags[Tag.ATTEMPT] for run in stored()) == {"1": 4, "2": 2, "3": 2}


def test_what_a_run_itself_raises_is_not_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "_epoch", failing(ValueError("never")))
    assert ablate("--pack", "off", "--retries", "5").exit_code == 1
    assert statuses() == {"FAILED": 2, "FINISHED": 2}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("MemoryError", True),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", True),
        ("torch.AcceleratorError: CUDA error: an illegal memory access", True),
        ("OSError: [Errno 28] No space left on device", True),
        ("BrokenPipeError: [Errno 32] Broken pipe", True),
        ("WorkerDied: the worker process died", True),
        ("ValueError: alpha has 2 values", False),
        ("RuntimeError: mat1 and mat2 shapes cannot be multiplied", False),
        ("model.base.DataError: d.npz has changed", False),
        ("KeyError: 'a'", False),
    ],
)
def test_failures_of_the_machine_alone_are_worth_another_try(last: str, expected: bool) -> None:
    error = f"Traceback (most recent call last):\n  ...\n{last}\n"
    assert retries.helps(RunRecord("k", Outcome.FAILED, (), {}, None, error, 0.0, 0.0, {})) is expected


def test_a_failed_run_has_the_command_that_repeats_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--seeds", "0,3", "--set", "training.epochs=3"]
    monkeypatch.setattr(Trainer, "_epoch", failing(ValueError("no luck")))
    result = ablate("--pack", "off", *options)
    failed = {run.tags[Tag.REPEAT]: run for run in stored() if run.status == "FAILED"}
    assert len(failed) == 4
    command, run = next(iter(failed.items()))
    assert f"to repeat the first of these alone: {command}" in result.stderr
    assert shlex.split(command)[:3] == ["python", "-m", "runners.ablate"]
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    again = CliRunner().invoke(app, [*shlex.split(command)[3:], "--executor", "inprocess"])
    assert again.exit_code == 0, again.output
    assert "1/1 runs" in again.stderr
    (new,) = (
        r for r in stored() if r.run_id not in {f.run_id for f in failed.values()} and "focal" in r.tags[Tag.CELL]
    )
    assert (new.status, new.tags[Tag.RUN_KEY]) == ("FINISHED", run.tags[Tag.RUN_KEY])


def test_one_cell_one_run_or_one_key_can_be_run_alone(folder: Path) -> None:
    assert "to run: 4 runs" in ablate("--dry-run").output
    ablate("--only", (cell := _cells()[0]))
    assert [run.tags[Tag.CELL] for run in stored()] == [cell]
    key = stored()[0].tags[Tag.RUN_KEY]
    assert "nothing to run" in ablate("--only", key[:8]).stderr
    assert "to run: 1 runs" in ablate("--dry-run", "--seeds", "4", "--only", f"{cell}:3").output
    assert "to run: 3 runs" in ablate("--dry-run", "--seeds", "4", "--only", cell).output
    assert "to run: 1 runs" in ablate("--dry-run", "--only", key[:8], "--rerun", "all").output


def _cells() -> list[str]:
    from ablations.study import load

    return [cell.cell_id for cell in load(Path("m.yaml")).cells]


def test_what_names_no_run_is_refused(folder: Path) -> None:
    result = ablate("--only", "nonsense")
    assert result.exit_code == 2
    assert "error: --only nonsense: write the id of a cell, one run of it as ID:SEED, or the beginning" in result.stderr
    assert _cells()[0] in result.stderr
    assert [path.name for path in folder.iterdir()] == ["m.yaml"]


def test_everything_done_again_is_finished_once(folder: Path) -> None:
    assert ablate().exit_code == 0
    before = {run.tags[Tag.RUN_KEY]: run for run in stored()}
    assert ablate("--rerun", "all").exit_code == 0
    known = ledger.read(URI, "tiny")
    after = {run.tags[Tag.RUN_KEY]: run for run in known.complete()}
    assert after.keys() == before.keys()
    assert len(known.complete()) == 4
    assert not {run.run_id for run in after.values()} & {run.run_id for run in before.values()}
    former = [run for run in known.of(Kind.CELL) if Tag.SUPERSEDED in run.tags]
    assert {(run.run_id, run.status, run.duration) for run in former} == {
        (run.run_id, "KILLED", run.duration) for run in before.values()
    }
    assert set(StoreReader(URI).load("tiny").frame["run_id"]) == {run.run_id for run in after.values()}


def test_a_finished_run_stays_when_its_repetition_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ablate().exit_code == 0
    monkeypatch.setattr(Trainer, "_epoch", failing(ValueError("no luck")))
    assert ablate("--rerun", "all", "--pack", "off").exit_code == 1
    assert len(ledger.read(URI, "tiny").done()) == len(ledger.read(URI, "tiny").complete()) == 4
    assert Counter(run.status for run in stored()) == {"FINISHED": 4, "FAILED": 2, "KILLED": 2}


def test_what_failed_and_what_is_stale_can_be_run_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runners import planner

    monkeypatch.setattr(Trainer, "_epoch", failing(ValueError("no luck")))
    assert ablate("--pack", "off").exit_code == 1
    assert "to run: 2 runs" in ablate("--dry-run", "--seeds", "3", "--rerun", "failed").output
    assert "to run: 0 runs" in ablate("--dry-run", "--seeds", "3", "--rerun", "stale").output
    monkeypatch.setattr(planner, "code_digest", lambda task: "other")
    assert "to run: 2 runs" in ablate("--dry-run", "--seeds", "3", "--rerun", "stale").output
    assert "to run: 0 runs" in ablate("--dry-run", "--seeds", "3", "--rerun", "failed").output
    assert "to run: 12 runs" in ablate("--dry-run", "--seeds", "3").output
