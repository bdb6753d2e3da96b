"""A report beside its runs: as artifacts of the study's run and in its note, or refused with a message."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils
from typer.testing import CliRunner, Result

from ablations.record import Kind
from analysis.report import app as report
from analysis.verify import app as verify
from runners import ledger
from runners.store import only_driver
from runners.store.__main__ import app
from tests.runners.conftest import SMOKE, Store, run


@pytest.fixture(autouse=True)
def _a_process_of_its_own() -> None:
    """MLflow remembers in a process where the files of a run lie, whatever the store."""
    utils._artifact_repos_cache.clear()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that may be written to."""
    return run(tmp_path_factory.mktemp("own"), SMOKE.replace("seeds: 2", "seeds: [0, 1]"))


@pytest.fixture(scope="module")
def written(own: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paper") / "tiny"
    done = CliRunner().invoke(report, ["--study", "tiny", "--out", str(folder), "--tracking-uri", own.uri])
    assert done.exit_code == 0, done.output
    return folder


def publish(uri: str, folder: Path, study: str = "tiny") -> Result:
    return CliRunner().invoke(app, ["publish", "--study", study, str(folder), "--tracking-uri", uri])


def published(uri: str, folder: Path) -> tuple[str, dict[str, bytes]]:
    """The note, and the files under report/."""
    [study] = ledger.read(uri, "tiny").of(Kind.STUDY)
    client = MlflowClient(uri)
    place = Path(client.download_artifacts(study.run_id, "report", str(folder)))
    run = client.get_run(study.run_id)
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.tags["mlflow.note.content"] == run.data.tags["mlflow.note.content"]
    return run.data.tags["mlflow.note.content"], {path.name: path.read_bytes() for path in place.iterdir()}


def test_the_report_lies_beside_the_runs_and_replaces_an_earlier_one(own: Store, written: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    shutil.copytree(written, first)
    manifest = json.loads((first / "manifest.json").read_text())
    manifest["files"] |= {"old.md": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}
    (first / "manifest.json").write_text(json.dumps(manifest))
    (first / "old.md").write_text("")
    assert publish(own.uri, first).exit_code == 0
    (written / "mine.txt").write_text("not of the report")
    result = publish(own.uri, written)
    (written / "mine.txt").unlink()
    assert result.exit_code == 0, result.output
    note, files = published(own.uri, tmp_path)
    assert files == {path.name: path.read_bytes() for path in written.iterdir()}
    assert "/artifacts/report/report.html" in note
    assert "| baseline | 2 |" in note
    assert note.index("## Report") < note.index("## In this UI") < note.index("study: tiny")
    assert CliRunner().invoke(app, ["check", "--tracking-uri", own.uri]).output == "no faults\n"
    assert CliRunner().invoke(verify, [str(written), "--tracking-uri", own.uri]).exit_code == 0


def test_the_report_travels_with_its_study_and_stays_in_the_note(own: Store, written: Path, tmp_path: Path) -> None:
    assert publish(own.uri, written).exit_code == 0
    archive, new = str(tmp_path / "tiny.zip"), f"sqlite:///{tmp_path}/new/mlflow.db"
    for arguments in (["export", "--study", "tiny", "--to", archive, "--tracking-uri", own.uri], ["import", archive]):
        uri = [] if "--tracking-uri" in arguments else ["--tracking-uri", new]
        assert CliRunner().invoke(app, [*arguments, *uri]).exit_code == 0
    note, files = published(new, tmp_path)
    assert files.keys() == {path.name for path in written.iterdir()}
    run(tmp_path, SMOKE.replace("seeds: 2", "seeds: [0, 1, 2]"), uri=new)
    later, _ = published(new, tmp_path)
    assert "4 cells x 3 seeds" in later
    assert later.partition("## Report")[2].partition("## In")[0] == note.partition("## Report")[2].partition("## In")[0]


def test_a_report_that_is_none_of_this_store_is_refused(
    own: Store, store: Store, written: Path, tmp_path: Path
) -> None:
    def refused(folder: Path, uri: str = own.uri, study: str = "tiny") -> str:
        result = publish(uri, folder, study)
        assert result.exit_code == 2, result.output
        return result.stderr

    before = (Path(own.uri.removeprefix("sqlite:///"))).read_bytes()
    (tmp_path / "empty").mkdir()
    assert f"no folder {tmp_path}/none; make it with: python -m analysis.report" in refused(tmp_path / "none")
    assert "it has no manifest.json" in refused(tmp_path / "empty")
    (tmp_path / "empty" / "manifest.json").write_text("[]")
    assert "is no manifest of a report" in refused(tmp_path / "empty")
    assert "is of the study 'tiny', not of 'other'" in refused(written, study="other")
    assert "8 of 8, such as" in refused(written, store.uri)
    assert "no store at" in refused(written, f"sqlite:///{tmp_path}/none.db")
    other = tmp_path / "other"
    shutil.copytree(written, other)
    (other / "cells.csv").write_text("better numbers")
    assert "was changed after it was made: cells.csv" in refused(other)
    manifest = json.loads((written / "manifest.json").read_text()) | {"study": "nowhere"}
    (other / "manifest.json").write_text(json.dumps(manifest))
    assert "no study 'nowhere' in the store; the studies there are: tiny" in refused(other, study="nowhere")
    (other / "manifest.json").write_text(json.dumps(manifest | {"study": "tiny", "files": {"../cells.md": ""}}))
    assert "its files are not those of one" in refused(other)
    with only_driver(Path(own.uri.removeprefix("sqlite:///")), "tiny"):
        assert "another driver is running the study 'tiny'" in refused(written)
    assert (Path(own.uri.removeprefix("sqlite:///"))).read_bytes() == before
