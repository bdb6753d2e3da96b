"""The report from a store: files, holes, bad input."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from ablations.record import Kind, Outcome, RunRecord, Tag
from analysis.report import app
from analysis.runs import Store as Reader
from runners.tracking import Tracker
from tests.runners.conftest import SMOKE, Store, run

FIGURES = [
    "forest",
    "margins",
    "interactions",
    "curves",
    "heatmap",
    "classes",
    "shares",
    "weights",
    "gradients",
    "modules",
    "cosines",
    "confusion",
]
FILES = {
    *(
        f"{table}.{suffix}"
        for table in (
            "cells",
            "sizes",
            "effects",
            "margins",
            "path",
            "classes",
            "choice",
            "variance",
            "noise",
            "breakdown",
        )
        for suffix in ("csv", "md", "tex")
    ),
    *(f"{figure}.{suffix}" for figure in FIGURES for suffix in ("pdf", "png")),
    "numbers.tex",
    "manifest.json",
    "report.html",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("report"))


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def made(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    folder = tmp_path_factory.mktemp("made") / "out"
    return folder, report("--study", "tiny", "--out", str(folder), "--tracking-uri", store.uri)


def test_all_files_are_written_and_named(made: tuple[Path, Result]) -> None:
    folder, result = made
    assert result.exit_code == 0, result.output
    assert {path.name for path in folder.iterdir()} == FILES
    assert all(name in result.output for name in FILES)
    assert result.stderr == ""


def test_the_frame_is_the_plan_with_the_results(store: Store) -> None:
    runs = Reader(store.uri).load("tiny")
    assert runs.plan == store.plan
    assert runs.frame["run_key"].tolist() == list(store.plan.run_keys())
    assert set(runs.frame["outcome"]) == {"finished"}
    assert runs.score.between(0, 1).all()
    assert set(runs.frame["enc"]) == {"0.05", "0.5"}


def test_the_manifest_names_every_run(store: Store, made: tuple[Path, Result]) -> None:
    manifest = json.loads((made[0] / "manifest.json").read_text())
    assert {row["run_key"] for row in manifest["runs"]} == store.plan.run_keys().keys()
    client = MlflowClient(store.uri)
    for row in manifest["runs"]:
        assert client.get_run(row["run_id"]).data.tags[Tag.RUN_KEY] == row["run_key"]
    assert manifest["outcomes"] == {"finished": 8}
    assert manifest["plan_digest"] == store.plan.digest()
    assert len(manifest["versions"]["version.torch"]) == 1


def test_a_run_that_is_gone_shows_as_a_hole(tmp_path: Path) -> None:
    made = run(tmp_path)
    client = MlflowClient(made.uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    first = client.search_runs([experiment.experiment_id], f"tags.`{Tag.KIND}` = '{Kind.CELL}'")[0]
    client.delete_run(first.info.run_id)
    result = report("--study", "tiny", "--out", str(tmp_path / "out"), "--tracking-uri", made.uri)
    assert result.exit_code == 0
    assert "INCOMPLETE: of 8 planned runs 1 missing." in result.stderr
    assert "1 of 2" in (tmp_path / "out" / "cells.md").read_text()


def test_an_unknown_study_is_refused_with_those_there_are(store: Store, tmp_path: Path) -> None:
    result = report("--study", "lost", "--out", str(tmp_path / "out"), "--tracking-uri", store.uri)
    assert result.exit_code == 2
    assert "error: no study 'lost' in the store; the studies there are: tiny" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_store_is_refused_and_not_made(tmp_path: Path) -> None:
    result = report(
        "--study", "loss", "--out", str(tmp_path / "out"), "--tracking-uri", f"sqlite:///{tmp_path}/x/mlflow.db"
    )
    assert result.exit_code == 2
    assert "mlflow.db; run a study first, or name another with --tracking-uri" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    result = report("--study", "loss", "--out", str(tmp_path / "out"), "--tracking-uri", f"sqlite:///{path}")
    assert result.exit_code == 2
    assert "other.db is no MLflow store: no such table: experiments" in result.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("started", [1e9, 2e9])
def test_of_a_run_that_is_there_twice_the_first_that_finished_counts(tmp_path: Path, started: float) -> None:
    """As after a run was deleted, run again and restored: one of the two ended before the other began."""
    made = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1"))
    before = Reader(made.uri).load("tiny").frame
    tracker = Tracker(made.uri, made.plan, made.text)
    tracker.write(made.runs[0], RunRecord(made.runs[0].run_key, Outcome.DIVERGED, (), {}, None, None, started, 1.0, {}))
    after = Reader(made.uri).load("tiny").frame
    assert len(after) == len(before)
    first = "diverged" if started < 1.5e9 else "finished"
    assert after.loc[after["run_key"] == made.runs[0].run_key, "outcome"].tolist() == [first]
    result = report("--study", "tiny", "--out", str(tmp_path / "out"), "--tracking-uri", made.uri)
    assert result.exit_code == 0, result.output


def test_a_folder_that_cannot_be_written_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = report("--study", "tiny", "--out", str(tmp_path / "file" / "out"), "--tracking-uri", store.uri)
    assert result.exit_code == 2
    assert "choose another folder with --out" in result.stderr
