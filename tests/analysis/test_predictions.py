"""The file of predictions, and the CSV that runs had before it."""

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablations.predictions import TypedPredictions
from ablations.record import PREDICTIONS_CSV, PREDICTIONS_FILE, SchemaError
from analysis.predictions_csv import from_csv
from analysis.runs import Store as Reader
from analysis.runs import StudyError
from analysis.variance import variance_table
from runners.store.faults import check
from tests.runners.conftest import SMOKE, Store, run

CLASSES = TypedPredictions(
    ("calm", "NA", "glad, very"),
    np.array([7, 7, 900]),
    np.array([0, 2, 1]),
    np.array([0, 1, 1]),
    np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.0, 1.0, 0.0]]),
)
LABELS = TypedPredictions(
    CLASSES.label_names,
    CLASSES.dialogue,
    np.array([[0, 0, 0], [1, 0, 1], [0, 1, 0]]),
    np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0]]),
    np.full((3, 3), 0.25),
)


def assert_equal(one: TypedPredictions, other: TypedPredictions) -> None:
    assert one.label_names == other.label_names
    for name in ("dialogue", "label", "predicted", "position"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.probability is not None
    assert other.probability is not None
    np.testing.assert_allclose(one.probability, other.probability, atol=5e-4)


def as_csv(predictions: TypedPredictions) -> str:
    """As earlier versions wrote it."""
    names = predictions.label_names

    def named(label: np.ndarray) -> str:
        return (
            names[int(label)]
            if label.ndim == 0
            else json.dumps([n for n, yes in zip(names, label, strict=True) if yes])
        )

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["dialogue", "position", "label", "predicted", *(f"p({name})" for name in names)])
    assert predictions.probability is not None
    for i, probability in enumerate(predictions.probability):
        both = (named(predictions.label[i]), named(predictions.predicted[i]))
        place = (int(predictions.dialogue[i]), int(predictions.position[i]))
        writer.writerow([*place, *both, *(f"{x:.6f}" for x in probability)])
    return buffer.getvalue()


@pytest.mark.parametrize("predictions", [CLASSES, LABELS], ids=["classes", "labels"])
def test_the_file_and_the_csv_give_back_what_was_written(predictions: TypedPredictions) -> None:
    assert_equal(TypedPredictions.decode(predictions.encode()), predictions)
    assert_equal(from_csv(as_csv(predictions)), predictions)
    assert TypedPredictions.decode(predictions.encode(), probability=False).probability is None


def test_one_documented_call_opens_the_file() -> None:
    with np.load(io.BytesIO(CLASSES.encode()), allow_pickle=False) as arrays:
        assert sorted(arrays) == ["dialogue", "label", "label_names", "predicted", "probability"]
        assert {arrays[name].dtype.itemsize for name in ("label", "predicted")} == {1}
        assert arrays["probability"].dtype == np.float16


def test_equal_predictions_give_equal_bytes() -> None:
    assert CLASSES.encode() == CLASSES.encode()


@pytest.mark.parametrize("content", [b"", b"PK", CLASSES.encode()[:200], b"\x93NUMPY"])
def test_a_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(SchemaError, match="the predictions cannot be read"):
        TypedPredictions.decode(content)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("predictions"), SMOKE)


def as_before(store: Store, folder: Path) -> str:
    """A copy of a store as an earlier version would have written it."""
    shutil.copytree(Path(store.uri.removeprefix("sqlite:///")).parent, folder)
    for path in folder.rglob(PREDICTIONS_FILE):
        path.with_name(PREDICTIONS_CSV).write_text(as_csv(TypedPredictions.decode(path.read_bytes())))
        path.unlink()
    return f"sqlite:///{folder}/mlflow.db"


def test_a_store_of_an_earlier_version_gives_the_same_table(store: Store, tmp_path: Path) -> None:
    uri = as_before(store, tmp_path / "old")
    with pytest.MonkeyPatch.context() as patch:
        # Of a moved store the original is read where its copy has no such file.
        patch.setattr("analysis.database.urlsplit", lambda uri: type("U", (), {"scheme": "s3", "path": ""}))
        old = Reader(uri)
        tables = [variance_table(reader, reader.load("tiny")) for reader in (old, Reader(store.uri))]
    pd.testing.assert_frame_equal(tables[0].numbers, tables[1].numbers)


def test_runs_that_do_not_say_what_files_they_have_had_a_csv(store: Store, tmp_path: Path) -> None:
    uri = as_before(store, tmp_path / "old")
    import sqlite3

    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        connection.execute("DELETE FROM tags WHERE key = 'ablation.files'")
        connection.execute("UPDATE runs SET artifact_uri = 'file:///nowhere/' || run_uuid")
    assert check(uri) == []


def test_a_torn_file_of_a_run_is_named(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    shutil.copytree(Path(store.uri.removeprefix("sqlite:///")).parent, folder)
    path = next(folder.rglob(PREDICTIONS_FILE))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StudyError, match=f"the run {path.parents[1].name}: the predictions cannot be read"):
        Reader(f"sqlite:///{folder}/mlflow.db").predictions(path.parents[1].name)
