"""Experiments that are renamed or deleted in MLflow are found, and every command says how to get them back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from ablations.record import Kind
from ablations.strayed import WITH
from analysis.report import app as report
from runners import ledger
from runners.ablate import app as ablate
from runners.store.__main__ import app as upkeep
from tests.runners.conftest import SMOKE, run

ONE = SMOKE.replace("seeds: 2", "seeds: 1")
KINDS = ["sqlite", "server"]


@pytest.fixture(scope="module", params=KINDS)
def uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with the study."""
    folder = tmp_path_factory.mktemp("strayed")
    return run(folder, ONE, None if request.param == "sqlite" else request.getfixturevalue("server")).uri


@pytest.fixture
def experiment(uri: str) -> Iterator[str]:
    """Its experiment, which is named back and restored."""
    client = MlflowClient(uri)
    found = client.get_experiment_by_name("tiny")
    assert found is not None
    yield str(found.experiment_id)
    if client.get_experiment(found.experiment_id).lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    client.rename_experiment(found.experiment_id, "tiny")


def commands(uri: str, tmp_path: Path) -> dict[str, Callable[[], tuple[int, str]]]:
    matrix = tmp_path / "tiny.yaml"
    matrix.write_text(ONE)

    def of(app: object, *words: str) -> Callable[[], tuple[int, str]]:
        def invoke() -> tuple[int, str]:
            done = CliRunner().invoke(app, [*words, "--tracking-uri", uri])  # type: ignore[arg-type]
            return done.exit_code, done.output

        return invoke

    files = uri.startswith("sqlite")
    return {
        "dry run": of(ablate, "--matrix", str(matrix), "--dry-run"),
        "report": of(report, "--study", "tiny", "--out", str(tmp_path / "out")),
        **({"export": of(upkeep, "export", "--study", "tiny", "--to", str(tmp_path / "x.zip"))} if files else {}),
    }


def test_a_renamed_experiment_is_named_with_the_way_back(uri: str, experiment: str, tmp_path: Path) -> None:
    MlflowClient(uri).rename_experiment(experiment, "tiny-old")
    runs = "4 runs" if uri.startswith("sqlite") else "runs"
    back = f"mlflow experiments rename --experiment-id {experiment} --new-name tiny"
    sentence = f"{runs} of 'tiny' are in the experiment 'tiny-old', which was renamed; to name it back, {WITH}: {back}"
    for name, command in commands(uri, tmp_path).items():
        code, output = command()
        assert (code, sentence in output) == (0 if name == "dry run" else 2, True), output
    done = CliRunner().invoke(report, ["--study", "tiny-old", "--out", str(tmp_path / "o"), "--tracking-uri", uri])
    assert done.exit_code == 2
    assert "of 'tiny' are in the experiment 'tiny-old', which was renamed" in done.stderr
    assert not (tmp_path / "o").exists()


def test_a_deleted_experiment_is_named_with_the_way_back(uri: str, experiment: str, tmp_path: Path) -> None:
    MlflowClient(uri).delete_experiment(experiment)
    back = f"was deleted; to restore it, {WITH}: mlflow experiments restore --experiment-id {experiment}"
    for command in commands(uri, tmp_path).values():
        _, output = command()
        assert back in output


def test_after_the_study_was_run_anew_its_old_experiment_is_not_in_the_way(uri: str, experiment: str) -> None:
    assert ledger.strayed(uri, "tiny") == []
    MlflowClient(uri).rename_experiment(experiment, "tiny-old")
    assert [one.name for one in ledger.strayed(uri, "tiny")] == ["tiny-old"]
    assert ledger.strayed(uri, "other") == []


def test_check_finds_renamed_experiments_and_deleted_plans(tmp_path: Path) -> None:
    uri = run(tmp_path, ONE).uri
    client = MlflowClient(uri)
    (own,) = ledger.read(uri, "tiny").of(Kind.STUDY)
    assert CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri]).output == "no faults\n"
    client.delete_run(own.run_id)
    done = CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri])
    assert done.exit_code == 1
    plan = "tiny: its run 'study tiny', which holds the plan, was deleted"
    assert f"{plan}; restore it in the UI or with `mlflow runs restore --run-id {own.run_id}`, or run" in done.output
    failed = CliRunner().invoke(report, ["--study", "tiny", "--out", str(tmp_path / "o"), "--tracking-uri", uri])
    assert "Restore that run in the UI, or run the matrix again, which repeats no finished run" in failed.stderr
    client.restore_run(own.run_id)
    experiment = client.get_run(own.run_id).info.experiment_id
    client.rename_experiment(experiment, "tiny-old")
    done = CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri])
    assert "tiny-old: 4 runs of 'tiny' are in the experiment 'tiny-old', which was renamed; to name" in done.output
    client.rename_experiment(experiment, "tiny")
    assert CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri]).output == "no faults\n"
