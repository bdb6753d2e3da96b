"""Stores of earlier versions: they open, are reported on, and each number that differs from before is explained."""

import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import report
from analysis.notebook import predictions
from analysis.runs import Store

STORES = Path(__file__).parents[1] / "stores"
# Columns of each table whose numbers differ from those of the version, or that came or went, and why.
EXPLAINED: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "0.1.0": {
        "cells": {
            "p": "single-step, so that p and the joint interval agree; before, p stepped down",
            "more": "gone: five seeds do not tell how many more would decide",
        },
        "classes": {
            "p": "single-step, as in cells",
            **dict.fromkeys(["low", "high"], "no interval where all seeds agree; before, one of length 0"),
        },
        "effects": {
            **dict.fromkeys(["df", "F", "omega2", "omega2_low", "omega2_high", "type"], "gone: of the pooled residual"),
            **dict.fromkeys(["kind", "contrasts", "seeds", "t", "note"], "new: of the largest moderated |t|"),
            **dict.fromkeys(["range_low", "range_high"], "new: interval of the range"),
            "p": "against seeds and adjusted (Holm); before, against the pooled residual",
            "p_raw": "new: against seeds, of one effect",
            "range": "of an interaction the largest difference of differences; before, of residual means",
        },
        "margins": {
            "seeds": "new",
            **dict.fromkeys(["low", "high"], "t over seeds; before, of the pooled residual"),
            **dict.fromkeys(["difference_low", "difference_high", "p"], "against seeds; before, Tukey's test"),
        },
        "path": {
            **dict.fromkeys(
                ["step_low", "step_high", "orders_low", "orders_high"], "adjusted for all steps, and for all settings"
            ),
            **dict.fromkeys(["step_p", "orders_p"], "new"),
        },
        "choice": dict.fromkeys(
            ["low", "high", "difference_low", "difference_high"],
            "with fresh seeds: wider, as choices overlap",
        ),
        "variance": {
            "interaction": "new: the part of the error from seeds that comes from the size of the test set",
            "test_dialogues": "new",
        },
    }
}


@pytest.fixture(scope="module", params=list(EXPLAINED))
def version(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Store, Path]:
    """Its name, its store, and the report that is made of it now."""
    name = str(request.param)
    folder = tmp_path_factory.mktemp("store")
    with tarfile.open(STORES / name / "store.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    store = Store(f"sqlite:///{folder}/mlflow.db")
    report.write(store, store.load("small"), folder / "report")
    return name, store, folder / "report"


def test_every_number_that_differs_is_explained(version: tuple[str, Store, Path]) -> None:
    name, _, made = version
    tables = sorted(STORES.glob(f"{name}/report/*.csv"))
    assert len(tables) == 9
    for path in tables:
        explained = EXPLAINED[name].get(path.stem, {})
        before, now = pd.read_csv(path), pd.read_csv(made / path.name)
        assert len(before) == len(now)
        assert set(before.columns) ^ set(now.columns) <= explained.keys()
        same = [column for column in before if column in now and column not in explained]
        pd.testing.assert_frame_equal(before[same], now[same], rtol=1e-7)


def test_what_is_explained_does_differ(version: tuple[str, Store, Path]) -> None:
    """An explanation that nothing needs any more would hide the next difference."""
    name, _, made = version
    for table, columns in EXPLAINED[name].items():
        before, now = (pd.read_csv(folder / f"{table}.csv") for folder in (STORES / name / "report", made))
        for column in columns:
            both = column in before and column in now
            assert not (both and np.array_equal(before[column], now[column], equal_nan=True)), (table, column)


def test_predictions_of_an_earlier_version_are_read(version: tuple[str, Store, Path]) -> None:
    _, store, _ = version
    run = store.load("small").frame.iloc[0]
    found = predictions(run["run_id"], store.uri)
    assert len(found) > 0
    assert found["predicted"].eq(found["label"]).mean() == pytest.approx(run["test/accuracy"])
