"""The store after a study: what is in it, and what running again does."""

import csv
import io
import json
import multiprocessing
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from ablations.predictions import TypedPredictions
from ablations.record import Kind, Outcome, Plan, RunRecord, Tag
from ablations.settings import resolved
from model.losses import Losses
from runners import ledger
from runners.executors import Message, Progress
from runners.store import StoreError, artifact, connect
from runners.tracking import Tracker
from tests.runners.conftest import SMOKE, Store, run

TERMS = tuple(Losses().weights(gated=False))


@pytest.fixture(scope="module")
def client(store: Store) -> MlflowClient:
    return MlflowClient(store.uri)


@pytest.fixture(scope="module")
def runs(store: Store, client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def of(runs: list[Run], kind: Kind) -> list[Run]:
    return [run for run in runs if run.data.tags[Tag.KIND] == kind]


def text(client: MlflowClient, run: Run, name: str) -> str:
    return artifact(client, run.info.run_id, name)


def test_each_planned_run_is_there_once_and_finished(store: Store, runs: list[Run]) -> None:
    cells = of(runs, Kind.CELL)
    assert sorted(run.data.tags[Tag.RUN_KEY] for run in cells) == sorted(store.plan.run_keys())
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(of(runs, Kind.STUDY)) == 1


def test_the_study_run_keeps_plan_and_matrix(store: Store, client: MlflowClient, runs: list[Run]) -> None:
    (study,) = of(runs, Kind.STUDY)
    assert Plan.decode(text(client, study, "plan.json")) == store.plan
    assert text(client, study, "matrix.yaml") == store.text
    assert "4 cells x 2 seeds = 8 runs" in study.data.tags["mlflow.note.content"]


def test_a_run_keeps_its_complete_configuration_as_a_file(store: Store, client: MlflowClient, runs: list[Run]) -> None:
    for cell_run in of(runs, Kind.CELL):
        cell, _ = store.plan.run_keys()[cell_run.data.tags[Tag.RUN_KEY]]
        assert resolved(yaml.safe_load(text(client, cell_run, "config.yaml"))).identity() == cell.config


def test_a_run_has_its_identity_parameters_and_provenance(store: Store, runs: list[Run]) -> None:
    for cell_run in of(runs, Kind.CELL):
        tags, params = cell_run.data.tags, cell_run.data.params
        cell, seed = store.plan.run_keys()[tags[Tag.RUN_KEY]]
        assert (tags[Tag.STUDY], tags[Tag.CELL], tags[Tag.SEED], tags[Tag.SCHEMA]) == (
            "tiny",
            cell.cell_id,
            str(seed),
            "1",
        )
        assert cell_run.info.run_name == f"{cell.name} s{seed}"
        assert params["seed"] == str(seed)
        assert params.keys() == {"loss.classification", "loss.encoder_weight", "seed"}
        assert params["loss.encoder_weight"] == cell.levels["loss.encoder_weight"]
        assert params["loss.classification"] == cell.levels["loss.classification"]
        assert (tags[Tag.NAME], tags[Tag.PLANNED]) == (cell.name, "yes")
        assert tags[Tag.BASELINE] == ("yes" if cell.cell_id == store.plan.baseline else "no")
        assert tags[Tag.CODE] == store.plan.code_digest
        assert {
            "device",
            "host",
            "peak_memory_mib",
            "version.torch",
            "mlflow.source.git.commit",
            "git.dirty",
        } <= tags.keys()
        assert cell_run.inputs.dataset_inputs[0].dataset.digest == cell.data_digest


def test_a_run_has_the_metrics_that_the_schema_promises(client: MlflowClient, runs: list[Run]) -> None:
    metrics = of(runs, Kind.CELL)[0].data.metrics
    promised = {
        "train/loss/total",
        "test/weighted_f1",
        "test/accuracy",
        "test/macro_f1",
        "test/f1/neutral",
        "best/epoch",
    }
    promised |= {f"train/{column}/{term}" for column in ("loss", "weighted", "share") for term in TERMS}
    assert promised | {"dev/weighted_f1", "dev/loss/classification"} <= metrics.keys()
    assert sum(metrics[f"train/weighted/{term}"] for term in TERMS) == pytest.approx(metrics["train/loss/total"])
    history = client.get_metric_history(of(runs, Kind.CELL)[0].info.run_id, "train/loss/total")
    assert [point.step for point in history] == [0, 1]


def test_artifacts_agree_with_the_metrics(client: MlflowClient, runs: list[Run]) -> None:
    cell_run = of(runs, Kind.CELL)[0]
    content = Path(client.download_artifacts(cell_run.info.run_id, "predictions.npz")).read_bytes()
    rows = TypedPredictions.decode(content)
    accuracy = float(np.mean(rows.label == rows.predicted))
    assert accuracy == pytest.approx(cell_run.data.metrics["test/accuracy"])
    confusion = list(csv.reader(io.StringIO(text(client, cell_run, "confusion_matrix.csv"))))
    counts = [[int(x) for x in row[1:]] for row in confusion[1:]]
    assert sum(map(sum, counts)) == len(rows.label)
    assert sum(counts[i][i] for i in range(len(counts))) == pytest.approx(accuracy * len(rows.label))
    history = list(csv.DictReader(io.StringIO(text(client, cell_run, "history.csv"))))
    assert float(history[-1]["train/loss/total"]) == pytest.approx(cell_run.data.metrics["train/loss/total"])


def test_the_ledger_reads_the_same_directly_and_through_mlflow(store: Store) -> None:
    direct = {r.run_id: r for r in ledger.read(store.uri, "tiny").runs}
    through = {r.run_id: r for r in ledger._ask(store.uri, "tiny")}
    assert direct == through
    assert len(direct) == 9


def test_running_again_runs_and_writes_nothing(store: Store) -> None:
    path = Path(store.uri.removeprefix("sqlite:///"))
    before = sqlite3.connect(path).execute("SELECT count(*), max(end_time) FROM runs").fetchall()
    assert run(path.parent, uri=store.uri).runs == []
    assert sqlite3.connect(path).execute("SELECT count(*), max(end_time) FROM runs").fetchall() == before


def test_only_what_is_new_is_run(tmp_path: Path) -> None:
    first = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1").replace("[0.05, 0.5]", "[0.05]"))
    more = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 2").replace("[0.05, 0.5]", "[0.05, 0.1]"))
    assert (len(first.runs), len(more.runs)) == (2, 6)
    assert not {r.run_key for r in first.runs} & {r.run_key for r in more.runs}
    assert len(ledger.read(more.uri, "tiny").of(Kind.STUDY)) == 1
    assert ledger.read(more.uri, "tiny").stale(more.plan) == []
    other_code = Plan(**{**{f: getattr(more.plan, f) for f in Plan.__slots__}, "code_digest": "other"})
    assert len(ledger.read(more.uri, "tiny").stale(other_code)) == 8


def test_failure_divergence_and_orphans_are_stored_outcomes(tmp_path: Path) -> None:
    done = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1"))
    tracker = Tracker(done.uri, done.plan, done.text)
    specs = list(done.runs)
    common: dict[str, Any] = {
        "history": (),
        "final": {},
        "predictions": None,
        "started": 1e9,
        "duration": 2.0,
        "environment": {},
    }
    failed = RunRecord(run_key="x0", outcome=Outcome.FAILED, error="Traceback\nValueError: boom", **common)
    diverged = RunRecord(run_key="x1", outcome=Outcome.DIVERGED, error=None, **common)
    progress = Progress("x2", 1e9, 0, ({"train/loss/total": 1.0},))
    messages: list[Message] = [failed, diverged, progress]
    for i, message in enumerate(messages):
        tracker.write(replace(specs[i], run_key=f"x{i}"), message)
    known = {r.tags[Tag.RUN_KEY]: r for r in ledger.read(done.uri, "tiny").of(Kind.CELL)}
    assert [known[f"x{i}"].status for i in range(3)] == ["FAILED", "FINISHED", "RUNNING"]
    assert known["x0"].tags[Tag.ERROR] == "ValueError: boom"
    assert known["x0"].duration == 2.0
    assert {"x1"} <= ledger.read(done.uri, "tiny").done()
    assert not {"x0", "x2"} & ledger.read(done.uri, "tiny").done()
    assert "boom" in artifact(tracker.client, known["x0"].run_id, "error.txt")
    assert tracker.close_orphans(ledger.read(done.uri, "tiny")) == 1
    assert {r.status for r in ledger.read(done.uri, "tiny").runs} == {"FINISHED", "FAILED", "KILLED"}


def test_a_long_run_is_watched_in_pieces_and_ends_whole(tmp_path: Path) -> None:
    done = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1"))
    spec = replace(done.runs[0], run_key="long")
    tracker = Tracker(done.uri, done.plan, done.text)
    epochs = tuple({"train/loss/total": 3.0 - i} for i in range(3))
    tracker.write(spec, Progress("long", 1e9, 0, epochs[:1]))
    tracker.write(spec, Progress("long", 1e9, 1, epochs[1:2]))
    whole = RunRecord("long", Outcome.DIVERGED, epochs, {}, None, None, 1e9, 30.0, {})
    tracker.write(spec, whole)
    (stored,) = [r for r in ledger.read(done.uri, "tiny").of(Kind.CELL) if r.tags[Tag.RUN_KEY] == "long"]
    points = tracker.client.get_metric_history(stored.run_id, "train/loss/total")
    assert [(p.step, p.value) for p in points] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert stored.status == "FINISHED"


def _open(uri: str) -> str:
    return str(connect(uri).search_experiments()[0].name)


def test_several_processes_may_open_a_new_store_at_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_open, [uri] * 3) == ["Default"] * 3
    mode = sqlite3.connect(tmp_path / "new" / "mlflow.db").execute("PRAGMA journal_mode").fetchone()
    assert mode == ("wal",)


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/mlflow\.db cannot be created"):
        connect(f"sqlite:///{tmp_path}/file/mlflow.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database, but long enough to be read as one " * 20)
    with pytest.raises(StoreError, match="cannot be read: file is not a database"):
        ledger.read(f"sqlite:///{tmp_path}/mlflow.db", "tiny")


def test_the_plan_is_readable_json(store: Store, client: MlflowClient, runs: list[Run]) -> None:
    plan = json.loads(text(client, of(runs, Kind.STUDY)[0], "plan.json"))
    assert plan["factors"] == {"loss.classification": "classification", "loss.encoder_weight": "enc"}
