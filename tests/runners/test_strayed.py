"""Experiments that are renamed or deleted in MLflow are found, and every command says how to get them back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from ablations.record import Kind
from ablations.strayed import WITH
from analysis import load
from analysis.report import app as report
from runners import ledger
from runners.ablate import app as ablate
from runners.store.__main__ import app as upkeep
from tests.runners.conftest import SMOKE, run

ONE = SMOKE.replace("seeds: 2", "seeds: 1")
KINDS = ["sqlite", "server"]
AGAIN = "run the matrix again, which repeats no finished run"


def plan_was_deleted(run_id: str) -> str:
    restore = f"restore it in the UI or, {WITH}: mlflow runs restore --run-id {run_id}"
    return f"its run 'study tiny', which holds the plan, was deleted; {restore}"


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
    assert f"tiny: {plan_was_deleted(own.run_id)}, or {AGAIN}" in done.output
    failed = CliRunner().invoke(report, ["--study", "tiny", "--out", str(tmp_path / "o"), "--tracking-uri", uri])
    assert f"has no plan: {plan_was_deleted(own.run_id)}, or {AGAIN}" in failed.stderr
    client.restore_run(own.run_id)
    experiment = client.get_run(own.run_id).info.experiment_id
    client.rename_experiment(experiment, "tiny-old")
    done = CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri])
    assert "tiny-old: 4 runs of 'tiny' are in the experiment 'tiny-old', which was renamed; to name" in done.output
    client.rename_experiment(experiment, "tiny")
    assert CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri]).output == "no faults\n"


@pytest.fixture
def copied(tmp_path: Path) -> tuple[str, str, str]:
    """URI of a store of its own, and ids of the experiment and of the study's own run."""
    uri = run(tmp_path, ONE).uri
    own = ledger.read(uri, "tiny").study_run
    assert own is not None
    return uri, str(MlflowClient(uri).get_run(own.run_id).info.experiment_id), own.run_id


def test_check_finds_deleted_experiments_until_they_are_restored_or_removed(copied: tuple[str, str, str]) -> None:
    uri, experiment, _ = copied
    client = MlflowClient(uri)
    client.delete_experiment(experiment)
    back = f"to restore it, {WITH}: mlflow experiments restore --experiment-id {experiment}"
    gone = f"to remove it for good: mlflow gc --backend-store-uri {uri} --experiment-ids {experiment}"
    done = CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri])
    assert done.exit_code == 1
    assert f"tiny: the experiment 'tiny' with 4 runs of 'tiny' was deleted; {back}; {gone}" in done.output
    client.restore_experiment(experiment)
    assert CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri]).output == "no faults\n"


def test_the_way_back_of_an_experiment_that_was_renamed_and_then_deleted_is_both(copied: tuple[str, str, str]) -> None:
    uri, experiment, _ = copied
    client = MlflowClient(uri)
    client.rename_experiment(experiment, "tiny-old")
    client.delete_experiment(experiment)
    [lost] = ledger.strayed(uri, "tiny")
    restore, rename = lost.sentence("tiny").rpartition(": ")[2].split(" && ")
    for words, call in ((restore, client.restore_experiment), (rename, client.rename_experiment)):
        _, _, _, _, number, *new = words.split()
        call(number, *new[1:])
    assert ledger.strayed(uri, "tiny") == []
    assert len(ledger.read(uri, "tiny").done()) == 4


def test_check_finds_nothing_in_an_experiment_whose_study_was_run_anew(
    copied: tuple[str, str, str], tmp_path: Path
) -> None:
    uri, experiment, own = copied
    MlflowClient(uri).delete_run(own)
    MlflowClient(uri).rename_experiment(experiment, "tiny-old")
    run(tmp_path, ONE, uri)
    assert CliRunner().invoke(upkeep, ["check", "--tracking-uri", uri]).output == "no faults\n"


def test_a_study_without_its_plan_is_not_exported_published_or_collected(
    copied: tuple[str, str, str], tmp_path: Path
) -> None:
    uri, _, own = copied
    where = ["--tracking-uri", uri]
    CliRunner().invoke(report, ["--study", "tiny", "--out", str(tmp_path / "report"), *where])
    MlflowClient(uri).delete_run(own)
    for command in (
        ["export", "--study", "tiny", "--to", str(tmp_path / "x.zip")],
        ["publish", "--study", "tiny", str(tmp_path / "report")],
    ):
        done = CliRunner().invoke(upkeep, [*command, *where])
        assert done.exit_code == 2
        assert f"study 'tiny': {plan_was_deleted(own)}, or {AGAIN}" in done.stderr
    assert not (tmp_path / "x.zip").exists()
    assert CliRunner().invoke(upkeep, ["gc", *where]).output == "nothing to do\n"
    MlflowClient(uri).restore_run(own)
    assert CliRunner().invoke(upkeep, ["check", *where]).output == "no faults\n"


def test_runs_that_are_in_a_renamed_or_deleted_experiment_are_not_imported(
    copied: tuple[str, str, str], tmp_path: Path
) -> None:
    uri, experiment, _ = copied
    archive, client = str(tmp_path / "x.zip"), MlflowClient(uri)
    assert (
        CliRunner().invoke(upkeep, ["export", "--study", "tiny", "--to", archive, "--tracking-uri", uri]).exit_code == 0
    )
    client.rename_experiment(experiment, "tiny-old")
    done = CliRunner().invoke(upkeep, ["import", archive, "--tracking-uri", uri])
    assert (done.exit_code, "in the experiment 'tiny-old', which was renamed; to name it back" in done.stderr) == (
        2,
        True,
    )
    assert client.get_experiment_by_name("tiny") is None
    client.rename_experiment(experiment, "tiny")
    client.delete_experiment(experiment)
    done = CliRunner().invoke(upkeep, ["import", archive, "--tracking-uri", uri])
    assert done.exit_code == 2
    assert done.stderr.startswith("error: the experiment 'tiny' with runs of 'tiny' was deleted; to restore it")


def test_of_several_runs_of_a_study_the_last_counts_for_every_reader(
    copied: tuple[str, str, str], tmp_path: Path
) -> None:
    uri, _, first = copied
    MlflowClient(uri).delete_run(first)
    run(tmp_path, SMOKE, uri)
    MlflowClient(uri).restore_run(first)
    own = ledger.read(uri, "tiny").study_run
    assert own is not None
    assert own.run_id != first
    assert len(load("tiny", uri)) == 8  # of both seeds, not of the first plan's one


def test_on_a_server_a_deleted_plan_is_restored_and_not_waited_for(server: str, tmp_path: Path) -> None:
    text = ONE.replace("study: tiny", "study: planless")
    matrix = tmp_path / "planless.yaml"
    matrix.write_text(text)
    run(tmp_path, text, server)
    own = ledger.read(server, "planless").study_run
    assert own is not None
    MlflowClient(server).delete_run(own.run_id)
    way = f"was deleted; restore it in the UI or, {WITH}: mlflow runs restore --run-id {own.run_id}\n"
    words = ["--matrix", str(matrix), "--seeds", "2", "--executor", "inprocess"]
    for app, arguments in ((ablate, words), (report, ["--study", "planless", "--out", str(tmp_path / "o")])):
        done = CliRunner().invoke(app, [*arguments, "--tracking-uri", server])
        assert done.exit_code == 2
        assert way in done.stderr
    MlflowClient(server).restore_run(own.run_id)
    assert run(tmp_path, text, server).runs == []
