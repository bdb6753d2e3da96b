"""The command line: bad input is refused with a message, exit code 2, no traceback, and nothing written."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from mlflow import MlflowClient
from statsmodels.formula.api import ols
from typer.testing import CliRunner, Result

from ablations.power import detectable
from ablations.record import PREDICTIONS_FILE
from ablations.strayed import WITH
from analysis.noise import noise_table
from analysis.runs import Store as StoreReader
from analysis.variance import variance_table
from runners import dry_run, ledger
from runners.ablate import app
from tests.analysis.conftest import grid_plan
from tests.runners.conftest import SMOKE, Store

ROOT = Path(__file__).parents[2]
NPZ = """
study: file
base: {data: {kind: npz, path: PATH, features: [text]}}
factors: {loss.encoder_weight: [0.05, 0.1]}
seeds: 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def ablate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["--matrix", *arguments])


def write(folder: Path, text: str) -> str:
    (folder / "m.yaml").write_text(text)
    return "m.yaml"


def bad_data(folder: Path, **changes: Any) -> str:
    arrays = {
        "text": np.ones((3, 2)), "label": np.arange(3) % 2, "length": np.ones(3, int), "speaker": np.zeros(3, int),
        "split": np.arange(3),
    }  # fmt: skip
    np.savez(folder / "d.npz", **(arrays | changes))
    return write(folder, NPZ.replace("PATH", str(folder / "d.npz")))


def refused(folder: Path, result: Result, message: str) -> None:
    before = {"m.yaml", "d.npz", "file"}
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert {path.name for path in folder.iterdir()} <= before


def test_a_mistake_in_the_matrix(folder: Path) -> None:
    matrix = write(folder, SMOKE.replace("seeds: 2", "seeds: two"))
    refused(folder, ablate(matrix), "error: m.yaml: line 7: seeds: input should be a valid integer, got 'two'")


def test_a_missing_matrix(folder: Path) -> None:
    refused(folder, ablate("none.yaml"), "error: none.yaml: no such file")


def test_a_missing_data_file(folder: Path) -> None:
    matrix = write(folder, NPZ.replace("PATH", "none.npz"))
    refused(folder, ablate(matrix), f"error: data.path: no file {folder}/none.npz; give one with --set data.path=FILE")


def test_data_with_nan(folder: Path) -> None:
    matrix = bad_data(folder, text=np.array([[1.0, 2.0], [np.nan, 0.0], [1.0, 1.0]]))
    refused(folder, ablate(matrix), "error: d.npz: 'text' has NaN or infinity in 1 rows, the first is 1")


def test_data_with_mismatched_lengths(folder: Path) -> None:
    matrix = bad_data(folder, length=np.array([1, 1]))
    refused(folder, ablate(matrix), "error: d.npz: 'length' sums to 2, 'label' has 3 rows")


def test_a_store_that_cannot_be_written(folder: Path) -> None:
    (folder / "file").write_text("")
    result = ablate(write(folder, SMOKE), "--executor", "inprocess", "--tracking-uri", "sqlite:///file/mlflow.db")
    refused(folder, result, "file/mlflow.db cannot be written")


def test_a_store_of_an_unknown_kind(folder: Path) -> None:
    result = ablate(write(folder, SMOKE), "--executor", "inprocess", "--tracking-uri", "mysterydb://x")
    refused(folder, result, "error: the store mysterydb://x cannot be used")


def test_a_store_that_may_only_be_read(folder: Path, store: Store) -> None:
    path = folder / "mlflow.db"
    path.write_bytes(Path(store.uri.removeprefix("sqlite:///")).read_bytes())
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write what is read-only")
    uri = f"sqlite:///{path}"
    result = ablate(write(folder, SMOKE), "--executor", "inprocess", "--seeds", "3", "--tracking-uri", uri)
    assert result.exit_code == 2
    assert "mlflow.db cannot be written: attempt to write a readonly database" in result.stderr


def test_a_deleted_experiment(folder: Path) -> None:
    matrix = write(folder, SMOKE.replace("seeds: 2", "seeds: 1"))
    assert ablate(matrix, "--executor", "inprocess").exit_code == 0
    client = MlflowClient(f"sqlite:///{folder}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    result = ablate(matrix, "--executor", "inprocess", "--seeds", "2")
    assert result.exit_code == 2
    restore = f"mlflow experiments restore --experiment-id {experiment.experiment_id}; or rename the study"
    assert f"the experiment 'tiny' with runs of 'tiny' was deleted; to restore it, {WITH}: {restore}" in result.stderr


def test_a_cluster_that_does_not_answer(folder: Path) -> None:
    result = ablate(write(folder, SMOKE), "--address", "127.0.0.1:9")
    assert result.exit_code == 2
    assert "no Ray cluster answers at --address 127.0.0.1:9" in result.stderr
    assert not (folder / "mlruns" / "mlflow.db").exists()


def test_class_weights_that_do_not_fit_the_data(folder: Path) -> None:
    result = ablate(write(folder, SMOKE), "--set", "loss.class_weight=[1, 2]")
    refused(folder, result, "error: loss.class_weight has 2 weights, but the data set has 6 classes")


def test_a_file_that_changes_during_the_study_fails_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from runners import trial

    rng = np.random.default_rng(0)
    matrix = bad_data(folder, text=rng.normal(size=(3, 2)))
    trial.load.cache_clear()
    run_pack = trial.run_pack

    def later(*arguments: Any) -> None:
        bad_data(folder, text=rng.normal(size=(3, 2)))
        run_pack(*arguments)

    monkeypatch.setattr(trial, "run_pack", later)
    result = ablate(matrix, "--executor", "inprocess")
    assert result.exit_code == 1
    assert "d.npz has changed since the study was planned" in result.stderr


def test_a_run_that_diverges_in_its_last_step_is_stored_as_diverged(folder: Path) -> None:
    matrix = write(folder, SMOKE.replace("epochs: 2", "epochs: 1, learning_rate: 1e30"))
    result = ablate(matrix, "--executor", "inprocess")
    assert result.exit_code == 0
    assert "8 diverged" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "training.epoch=3"], "--set training.epoch: unknown key 'training.epoch'; did you mean 'epochs'?"),
        (["--seeds", "some"], "--seeds some: write a number of seeds (5) or a list (0,1,7)"),
        (["--seeds", "²"], "--seeds ²: write a number of seeds"),
        (["--seeds", "1,1"], "seeds: one stands twice in [1, 1]"),
        (["--seeds", "0"], "seeds: at least 1"),
        (["--executor", "inprocess", "--jobs", "2"], "--executor inprocess runs one trial at a time"),
        (["--executor", "slurm"], "Invalid value for '--executor'"),
        (["--jobs", "0"], "Invalid value for '--jobs'"),
    ],
)
def test_a_mistake_in_an_option(folder: Path, arguments: Sequence[str], message: str) -> None:
    refused(folder, ablate(write(folder, SMOKE), *arguments), message)


def test_a_dry_run_says_what_the_seeds_can_detect(folder: Path) -> None:
    matrix = write(folder, SMOKE)
    before = ablate(matrix, "--dry-run").output
    least = detectable(1.0, 2, 3)
    assert f"with 80 % power a difference of {least:.1f} x the noise of a run to the baseline, with 2 seeds" in before
    assert "can detect: nothing, one seed tells no noise" in ablate(matrix, "--dry-run", "--seeds", "1").output
    assert ablate(matrix, "--executor", "inprocess").exit_code == 0
    scores = study_scores(f"sqlite:///{folder}/mlruns/mlflow.db")
    model = ols("score ~ C(cell) + C(seed)", scores).fit()
    sd = float(np.sqrt(model.mse_resid))
    after = ablate(matrix, "--dry-run").output
    assert f"a difference of {detectable(sd, 2, 3):.3g} (noise {sd:.3g} by the runs in the store)" in after
    reader = StoreReader(f"sqlite:///{folder}/mlruns/mlflow.db")
    runs = reader.load("tiny")
    [table] = noise_table(runs, variance_table(reader, runs).numbers)
    [said] = [line.removeprefix("noise: ") for line in after.splitlines() if line.startswith("noise: ")]
    assert said in table.caption
    assert "% of the variance of a difference comes from the size of the test set" in said


def test_a_file_of_runs_is_the_same_directly_and_through_mlflow(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_ids = [run.run_id for run in ledger.read(store.uri, store.plan.study).complete()]
    direct = ledger.files(store.uri, run_ids, PREDICTIONS_FILE)
    assert len(direct) == len(run_ids) > 1
    assert ledger.files(store.uri, run_ids, "none.txt") == []
    monkeypatch.setattr(ledger, "sqlite_path", lambda _: None)
    assert ledger.files(store.uri, run_ids, PREDICTIONS_FILE) == direct
    assert ledger.files(store.uri, run_ids, "none.txt") == []


def test_a_dry_run_says_that_runs_which_agree_do_not_tell_the_noise() -> None:
    plan = grid_plan()
    line = dry_run.detectable(plan, dict.fromkeys(plan.run_keys(), 0.7))
    assert "x the noise of a run" in line
    assert line.endswith("the runs in the store agree, so they do not tell the noise")


def study_scores(uri: str) -> pd.DataFrame:
    frame = StoreReader(uri).load("tiny").frame
    return pd.DataFrame({"cell": frame["cell"], "seed": frame["seed"], "score": frame["test/weighted_f1"]})


def test_a_dry_run_prints_the_plan_and_writes_nothing(folder: Path) -> None:
    result = ablate(write(folder, SMOKE), "--dry-run")
    assert result.exit_code == 0
    assert "4 cells x 2 seeds = 8 runs" in result.output
    assert "baseline: classification=nll, enc=0.05" in result.output
    assert "to run: 8 runs in 4 packs of up to 2" in result.output
    assert [path.name for path in folder.iterdir()] == ["m.yaml"]


def test_a_dry_run_tells_what_is_there(folder: Path, store: Store) -> None:
    result = ablate(write(folder, SMOKE), "--dry-run", "--seeds", "3", "--tracking-uri", store.uri)
    assert "in the store: 8 done, 0 failed" in result.output
    assert "to run: 4 runs" in result.output
    assert "0 1 [2]" in result.output
    assert "an estimate by the runs in the store" in result.output


def test_running_from_the_command_line_and_again(folder: Path) -> None:
    matrix = write(folder, SMOKE.replace("seeds: 2", "seeds: 1"))
    first = ablate(matrix, "--executor", "inprocess")
    assert first.exit_code == 0, first.output
    assert "4/4 runs, 0 failed" in first.stderr
    again = ablate(matrix, "--executor", "inprocess")
    assert again.exit_code == 0
    assert "tiny: all 4 runs are in the store, nothing to run" in again.stderr


def test_a_failed_run_is_stored_and_tried_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model.training import Trainer

    epoch = Trainer._epoch

    def fails(self: Trainer, number: int, alive: Sequence[int]) -> Any:
        if any(config.loss.classification.kind == "focal" for config in self.configs):
            raise RuntimeError("no luck")
        return epoch(self, number, alive)

    matrix = write(folder, SMOKE.replace("seeds: 2", "seeds: 1"))
    monkeypatch.setattr(Trainer, "_epoch", fails)
    result = ablate(matrix, "--executor", "inprocess")
    assert result.exit_code == 1
    assert "failed: focal enc=0.5 s0: RuntimeError: no luck" in result.stderr
    assert "failed: 2 runs in all with: RuntimeError: no luck" in result.stderr
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert "2 failed (run again)" in ablate(matrix, "--dry-run").output
    assert ablate(matrix, "--executor", "inprocess").exit_code == 0
    statuses = sorted(run.status for run in ledger.read(f"sqlite:///{folder}/mlruns/mlflow.db", "tiny").runs)
    assert statuses == ["FAILED"] * 2 + ["FINISHED"] * 5


@pytest.mark.parametrize(
    ("pack", "packs"), [("off", "8 packs of up to 1"), ("3", "4 packs of up to 2"), ("4", "2 packs of up to 4")]
)
def test_the_size_of_packs_can_be_chosen(folder: Path, pack: str, packs: str) -> None:
    assert f"to run: 8 runs in {packs}" in ablate(write(folder, SMOKE), "--dry-run", "--pack", pack).output


@pytest.mark.parametrize("pack", ["0", "many", "-1"])
def test_a_size_of_packs_that_is_none_is_refused(folder: Path, pack: str) -> None:
    result = ablate(write(folder, SMOKE), f"--pack={pack}")
    assert result.exit_code == 2
    assert f"error: --pack {pack}: write auto, off, or a number of runs (16)" in result.stderr


def test_failures_with_one_cause_are_shown_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from model.training import Trainer

    def fails(self: Trainer, number: int, alive: Sequence[int]) -> Any:
        raise RuntimeError("no luck")

    monkeypatch.setattr(Trainer, "_epoch", fails)
    result = ablate(write(folder, SMOKE), "--executor", "inprocess")
    assert result.exit_code == 1
    assert result.stderr.count("no luck") == 2
    assert "failed: 8 runs in all with: RuntimeError: no luck" in result.stderr


def test_one_driver_at_a_time(folder: Path) -> None:
    (folder / "mlruns").mkdir()
    with FileLock(folder / "mlruns" / "mlflow.db.tiny.lock"):
        result = ablate(write(folder, SMOKE), "--executor", "inprocess")
    assert result.exit_code == 2
    assert "another driver is running the study 'tiny'" in result.stderr


def loaded_modules(code: str) -> set[str]:
    script = f"import sys; {code}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_and_the_dry_run_of_a_known_study_load_nothing_heavy(store: Store, tmp_path: Path) -> None:
    heavy = {"torch", "mlflow", "ray", "pandas", "sklearn", "scipy"}
    assert not (heavy | {"numpy", "yaml"}) & loaded_modules("import runners.ablate, analysis.report")
    options = ["--matrix", str(write(tmp_path, store.text)), "--dry-run", "--seeds", "3", "--tracking-uri", store.uri]
    dry = f"from runners.ablate import app; app({options}, standalone_mode=False)"
    # What the seeds can detect takes special functions, of scipy's parts the one that loads in a tenth of a second.
    loaded = loaded_modules(dry)
    assert not (heavy - {"scipy"} | {"scipy.stats"}) & loaded
