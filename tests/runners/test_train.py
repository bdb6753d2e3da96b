"""One run by hand: the same cell, record and store as a study's."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from ablations.record import Kind, Tag
from ablations.study import load
from model.training import Trainer
from runners import ledger
from runners.planner import make_plan
from runners.train import app

SMALL = [
    word
    for setting in (
        "data.dialogues=12",
        "data.min_dev_dialogues=0",
        "data.min_test_dialogues=0",
        "training.epochs=2",
    )
    for word in ("--set", setting)
]
OPTIONS = ["--encoder_loss_weight", "0.03", "--gate_reg_weight", "0.005", "--cl_loss_weight", "0.1", "--reconstruction",
           "smooth_l1", "--classification", "focal", "--class_weight", "effective_number"]  # fmt: skip
MATRIX = """
study: same
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 2}}
baseline: one
design: cells
cells:
  one:
    model.fusion: {kind: hierarchical}
    loss.encoder_weight: 0.03
    loss.gate_weight: 0.005
    loss.contrastive.weight: 0.1
    loss.reconstruction: {kind: smooth_l1}
    loss.classification: {kind: focal}
    loss.class_weight: effective_number
seeds: [3]
"""


def train(folder: Path, *arguments: str) -> Result:
    store = ["--tracking-uri", f"sqlite:///{folder}/mlflow.db", "--out", str(folder / "out")]
    return CliRunner().invoke(app, [*arguments, *store])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("train")
    return folder, train(folder, *OPTIONS, *SMALL, "--seed", "3")


def test_a_run_by_hand_is_the_run_of_the_cell_that_a_matrix_declares(
    trained: tuple[Path, Result], tmp_path: Path
) -> None:
    folder, result = trained
    assert result.exit_code == 0, result.output
    (tmp_path / "m.yaml").write_text(MATRIX)
    plan = make_plan(load(tmp_path / "m.yaml"))
    (run,) = ledger.read(f"sqlite:///{folder}/mlflow.db", "train").of(Kind.CELL)
    assert run.tags[Tag.RUN_KEY] == next(iter(plan.run_keys()))
    assert run.tags[Tag.CELL] == plan.baseline


def test_it_prints_the_breakdown_and_draws_the_curves(trained: tuple[Path, Result]) -> None:
    folder, result = trained
    for term in ("classification", "contrastive", "reconstruction_global", "reconstruction_inter", "gate"):
        assert f"| {term}" in result.stdout
    assert {"curves.png", "shares.png", "gradients.png"} <= {path.name for path in (folder / "out").iterdir()}
    breakdown = pd.read_csv(folder / "out" / "breakdown.csv")
    assert breakdown["share"].sum() == pytest.approx(1)


def test_a_run_that_was_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = Trainer._epoch

    def interrupted(self: Trainer, number: int, alive: Sequence[int]) -> Any:
        if number == 1:
            raise KeyboardInterrupt
        return epoch(self, number, alive)

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    often = ["--checkpoint-every", "1e-9"]
    result = train(tmp_path, *SMALL, *often)
    assert result.exit_code == 130
    assert "the same command goes on from the last checkpoint" in result.stderr
    monkeypatch.undo()
    result = train(tmp_path, *SMALL, *often)
    assert result.exit_code == 0
    assert "1 runs go on from checkpoints" in result.stderr
    assert not (tmp_path / "checkpoints" / "train").exists()


def test_the_text_that_is_kept_is_a_matrix_of_the_same_run(trained: tuple[Path, Result], tmp_path: Path) -> None:
    folder, _ = trained
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("train")
    assert experiment is not None
    (study,) = client.search_runs([experiment.experiment_id], f"tags.`{Tag.KIND}` = '{Kind.STUDY}'")
    path = Path(client.download_artifacts(study.info.run_id, "matrix.yaml", str(tmp_path)))
    assert make_plan(load(path)).run_keys().keys() == {
        run.tags[Tag.RUN_KEY] for run in ledger.read(f"sqlite:///{folder}/mlflow.db", "train").of(Kind.CELL)
    }


def test_a_run_that_is_there_is_shown_and_not_repeated(trained: tuple[Path, Result]) -> None:
    folder, first = trained
    again = train(folder, *OPTIONS, *SMALL, "--seed", "3")
    assert again.exit_code == 0
    assert "all 1 runs are in the store, nothing to run" in again.stderr
    assert io.StringIO(again.stdout).read() == first.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reconstruction", "l1"], "--reconstruction l1: 'loss.reconstruction': no kind 'l1'; the kinds are 'mse'"),
        (["--class_weight", "[1, x]"], "--class_weight [1, x]: loss.class_weight.1: input should be a valid number"),
        (["--class_weight", "[1, 2]"], "loss.class_weight has 2 weights, but the data set has 6 classes"),
        (["--cl_loss_weight", "-1"], "--cl_loss_weight -1.0: loss.contrastive.weight: input should be greater than"),
        (["--set", "trainig.epochs=3"], "--set trainig.epochs=3: unknown key 'trainig'; did you mean 'training'?"),
        (["--set", "loss"], "--set loss: write KEY=VALUE"),
        (["--study", "A b"], "--study study: string should match pattern"),
        (["--classification", "bce"], "loss.classification is bce, but the data set has one class"),
    ],
)
def test_a_mistake_is_named_with_its_option(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = train(tmp_path, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cl_loss_weight", "0.1", "--set", "loss.contrastive.kind=none"], "--set loss.contrastive.kind=none"),
        (["--gate_reg_weight", "0.1", "--set", "model.fusion.kind=auto_fusion"], "--set model.fusion.kind=auto_fusion"),
        (["--encoder_loss_weight", "0.1", "--set", "loss.encoder_weight=0.2"], "--set loss.encoder_weight=0.2"),
    ],
)
def test_an_option_that_another_leaves_without_effect_is_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = train(tmp_path, *arguments)
    assert result.exit_code == 2
    assert f"{arguments[0]}" in result.stderr
    assert f"has no effect beside {message}" in result.stderr


def test_a_run_that_diverged_does_not_show_what_another_left(tmp_path: Path) -> None:
    assert train(tmp_path, *SMALL).exit_code == 0
    assert (tmp_path / "out" / "curves.png").exists()
    wild = train(tmp_path, *SMALL, "--set", "training.learning_rate=1e30")
    assert wild.exit_code == 0
    assert "1 diverged" in wild.stderr
    assert "| classification" not in wild.stdout
    assert not (tmp_path / "out" / "curves.png").exists()


def test_a_folder_that_cannot_be_written_is_refused_before_the_training(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    result = train(tmp_path, *SMALL)
    assert result.exit_code == 2
    assert "cannot write to" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
