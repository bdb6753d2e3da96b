"""Several labels an utterance, from the matrix to the report."""

import csv
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

import analysis
from analysis.report import app
from analysis.runs import Store as Reader
from runners.store import artifact
from tests.runners.conftest import Store, run

TEXT = """
study: several
base:
  data: {dialogues: 16, min_dev_dialogues: 0, min_test_dialogues: 0, multi_label: true}
  training: {epochs: 3}
  loss: {classification: {kind: bce}}
metric: {name: test/average_precision}
factors:
  loss.classification: [{kind: bce}, {kind: focal_bce, alpha: 0.75}]
seeds: 2
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("several"), TEXT)


def test_every_label_is_kept_and_counted(store: Store) -> None:
    runs, client = Reader(store.uri).load("several"), MlflowClient(store.uri)
    for _, row in runs.frame.iterrows():
        predictions = analysis.predictions(row["run_id"], store.uri)
        confusion = list(csv.DictReader(artifact(client, row["run_id"], "confusion_matrix.csv").splitlines()))
        for counts in confusion:
            name = counts["label"]
            true = np.array([name in labels for labels in predictions["label"]])
            predicted = np.array([name in labels for labels in predictions["predicted"]])
            assert int(counts["true positives"]) == (true & predicted).sum()
            assert int(counts["false negatives"]) == (true & ~predicted).sum()
            probability = predictions[f"p({name})"].to_numpy()
            assert ((probability >= 0.5) >= predicted).all()
            assert ((probability > 0.5) <= predicted).all()


def test_the_metrics_are_those_of_several_labels(store: Store) -> None:
    frame = Reader(store.uri).load("several").frame
    for name in ("weighted_f1", "macro_f1", "micro_f1", "accuracy", "average_precision"):
        assert frame[f"test/{name}"].between(0, 1).all()
    assert (frame["test/average_precision"] > 0.15).all()


def test_the_report_has_its_figures(store: Store, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--study", "several", "--out", str(tmp_path), "--tracking-uri", store.uri])
    assert result.exit_code == 0, result.output
    assert {"confusion.png", "classes.png", "shares.png", "cosines.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "test/average_precision" in (tmp_path / "cells.md").read_text()
