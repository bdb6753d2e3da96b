"""The store as it is read: directly, as MLflow reads it, and wherever its folder is."""

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from analysis.runs import Store as Reader
from analysis.runs import StudyError
from analysis.server import Server
from tests.runners.conftest import SMOKE, Store, run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("read"), SMOKE.replace("seeds: 2", "seeds: 1"))


def test_the_file_is_read_as_mlflow_reads_it(store: Store) -> None:
    direct, server = Reader(store.uri), Server(store.uri)
    assert direct.reader.studies() == server.studies()
    experiment = direct.studies["tiny"]
    by_id = [{run.run_id: run for run in reader.runs(experiment)} for reader in (direct.reader, server)]
    assert by_id[0] == by_id[1]
    assert len(by_id[0]) == 5
    run_id = direct.load("tiny").frame["run_id"].iloc[0]
    (first, *_), (second, *_) = (reader.contents(run_id, "history.csv") for reader in (direct.reader, server))
    assert first == second


def test_a_server_gives_the_same_study_and_leaves_no_copies(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = Reader(store.uri)
    asked = Reader(store.uri)
    asked.reader = Server(store.uri)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert asked.load("tiny").plan == direct.load("tiny").plan
    pd.testing.assert_frame_equal(asked.load("tiny").frame, direct.load("tiny").frame, check_like=True)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_was_moved_is_read_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    made = run(tmp_path / "old", SMOKE.replace("seeds: 2", "seeds: 1"))
    before = Reader(made.uri).load("tiny")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = Reader(f"sqlite:///{tmp_path}/new/mlflow.db")
    pd.testing.assert_frame_equal(moved.load("tiny").frame, before.frame)
    assert len(moved.history(before.frame["run_id"].tolist())) == 8


def test_the_plan_that_is_meant_is_read_from_either_place(store: Store, tmp_path: Path) -> None:
    """A copy that is run writes its new plan where the original has it."""
    source = Path(store.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(source, tmp_path / "copy")
    copy = f"sqlite:///{tmp_path}/copy/mlflow.db"
    (plan,) = (tmp_path / "copy").rglob("plan.json")
    older = json.loads(plan.read_text()) | {"seeds": [7]}
    plan.write_text(json.dumps(older))
    assert Reader(copy).load("tiny").plan == store.plan


def test_a_plan_that_is_not_the_one_that_is_meant_is_refused(store: Store, tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(Path(store.uri.removeprefix("sqlite:///")).parent, made)
    reader = Reader(f"sqlite:///{made}/mlflow.db")
    paths = [*made.rglob("plan.json"), *Path(store.uri.removeprefix("sqlite:///")).parent.rglob("plan.json")]
    saved = [path.read_text() for path in paths]
    try:
        for path in paths:
            path.unlink()
        with pytest.raises(StudyError, match=r"its plan\.json is gone\. Run its matrix again"):
            reader.load("tiny")
        for path, text in zip(paths, saved, strict=True):
            path.write_text(json.dumps(json.loads(text) | {"seeds": [7]}))
        with pytest.raises(StudyError, match="is not the one that the store names"):
            reader.load("tiny")
    finally:
        for path, text in zip(paths, saved, strict=True):
            path.write_text(text)
