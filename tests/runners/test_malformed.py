"""Malformed input is accepted rightly or refused with a message: no traceback, exit code 2, nothing written.

About 1,500 inputs are made from valid ones: matrices, data files, archives of studies and options.
"""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
import yaml
from hypothesis import event, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ablations.study import load
from analysis import across, report, verify
from model.config import RunConfig
from model.data.__main__ import app as data
from runners import ablate, probe, train
from runners.store.__main__ import app as upkeep
from tests.malformed import DAMAGE, Damage, archives, damage, damaged, documents, examples, texts
from tests.model.pickles import joyful_bytes, joyful_dialogues, mmgcn_tuple, python2_bytes
from tests.model.test_inspect import npz
from tests.runners.conftest import Store

ROOT = Path(__file__).parents[2]
MATRICES = sorted((ROOT / "ablations").glob("*.yaml"))
SMALL = """
study: tiny
base:
  data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}
  training: {epochs: 2}
  loss: {contrastive: {weight: 0.2}, weighting: {kind: fixed}}
baseline: {loss.encoder_weight: 0.05}
metric: {name: test/weighted_f1, direction: max, sesoi: 0.01}
design: grid
factors:
  loss.classification: [{kind: nll}, {kind: focal, gamma: 2}]
  loss.encoder_weight: [0.05, 0.5]
seeds: [0, 1]
"""
SEARCH = """
study: tiny
design: search
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}}
search: {method: bayesian, trials: 4, seeds: [100]}
factors:
  loss.encoder_weight: {low: 0.01, high: 1, log: true}
  loss.reconstruction: [{kind: mse}, {kind: smooth_l1}]
seeds: {min: 2, max: 4, until: decided}
"""
LONGEST = 25_000  # characters of a message


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def accepted(app: typer.Typer, arguments: list[str], folder: Path) -> bool:
    """Whether a command takes its input; asserts that it refuses it as it should, and writes nothing either way."""
    before = contents(folder)
    result = CliRunner().invoke(app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code in (0, 2), result.output
    assert "Traceback" not in result.output
    if result.exit_code:
        said = result.stderr
        assert "error" in said.lower(), said
        assert len(said) < LONGEST
        assert all(character.isprintable() or character == "\n" for character in said), said
    assert contents(folder) == before
    event("accepted" if result.exit_code == 0 else "refused")
    return result.exit_code == 0


@pytest.fixture(autouse=True, scope="module")
def _no_probe() -> Iterator[None]:
    """What is accepted is not trained: that is of no use here, and some of it is large."""

    def refuse(config: RunConfig, data_digest: str, runs: int, share: float) -> float:
        raise ValueError("not here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "probe", refuse)
        yield


def dry_run(folder: Path, matrix: bytes, *more: str) -> bool:
    (folder / "m.yaml").write_bytes(matrix)
    arguments = ["--matrix", str(folder / "m.yaml"), "--dry-run", "--tracking-uri", f"sqlite:///{folder}/no.db", *more]
    taken = accepted(ablate.app, arguments, folder)
    if taken and not more:
        study = load(folder / "m.yaml")
        assert study.cells
        assert len({cell.cell_id for cell in study.cells}) == len(study.cells)
        assert study.baseline in study.cells
    return taken


@examples(300)
@given(document=st.one_of(documents(yaml.safe_load(SMALL)), documents(yaml.safe_load(SEARCH))))
def test_a_matrix_with_other_settings(document: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        dry_run(Path(place), yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass"))


@examples(300)
@given(text=st.one_of(texts(SMALL), texts(SEARCH), st.sampled_from(MATRICES).flatmap(lambda p: texts(p.read_text()))))
def test_a_matrix_with_another_text(text: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        dry_run(Path(place), text.encode("utf-8", "surrogatepass"))


@examples(100)
@given(matrix=st.one_of(damaged(SMALL.encode()), st.binary(max_size=60)))
def test_a_matrix_with_other_bytes(matrix: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        dry_run(Path(place), matrix)


def _npz() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place, np.load(npz(Path(place) / "data.npz")) as file:
        return dict(file)


def _npz_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        return npz(Path(place) / "data.npz").read_bytes()


DATA = [_npz_bytes(), joyful_bytes(joyful_dialogues()), python2_bytes(mmgcn_tuple(trained=4, tested=2))]


@examples(400)
@given(content=st.one_of(archives(_npz()), *map(damaged, DATA)))
def test_a_data_file(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "data"
        path.write_bytes(content)
        shown = accepted(data, ["inspect", str(path)], path.parent)
        config = {"kind": "npz", "path": str(path), "features": ["text", "audio"]}
        matrix = {"study": "s", "base": {"data": config, "model": {"dim": 8}}, "cells": {"a": {}}, "seeds": 1}
        taken = dry_run(path.parent, yaml.safe_dump({"design": "cells", **matrix}).encode())
        assert shown or not taken


WORDS = [
    "",
    "-1",
    "0",
    "1",
    "0.5",
    "1e99",
    "nan",
    "tiny",
    "sqlite://",
    "sqlite:///",
    "http://",
    "postgresql://x",
    "/",
    "\x00",
    "é",
    "auto",
]
OPTIONS = {
    "ablate": (ablate.app, ["--matrix", "--seeds", "--set", "--only", "--rerun", "--jobs", "--pack", "--tracking-uri"]),
    "more": (ablate.app, ["--gpus-per-trial", "--precision", "--executor", "--retries", "--checkpoint-every"]),
    "train": (train.app, ["--encoder_loss_weight", "--reconstruction", "--class_weight", "--set", "--out", "--study"]),
    "report": (report.app, ["--study", "--out", "--tracking-uri", "--metric"]),
    "across": (across.app, ["--study", "--out", "--tracking-uri"]),
    "verify": (verify.app, ["--tracking-uri"]),
}


@examples(200)
@given(name=st.sampled_from(sorted(OPTIONS)), draw=st.data())
def test_an_option(name: str, draw: st.DataObject) -> None:
    app, options = OPTIONS[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "m.yaml").write_text(SMALL)
        given_ = {"--tracking-uri": f"sqlite:///{folder}/no.db"}
        given_ |= {"--matrix": str(folder / "m.yaml")} if app is ablate.app else {}
        given_ |= {
            draw.draw(st.sampled_from(options)): draw.draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=6)))
        }
        arguments = [word for pair in given_.items() for word in pair]
        if app is train.app:  # without a mistake it would train
            arguments += ["--set", "training.epochs=-1"]
        if app is verify.app:
            arguments.append(str(folder))
        accepted(app, [*arguments, *(["--dry-run"] if app is ablate.app else [])], folder)


@pytest.fixture(scope="module")
def exported(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "tiny.zip"
    arguments = ["export", "--study", "tiny", "--to", str(path), "--tracking-uri", store.uri]
    assert CliRunner().invoke(upkeep, arguments).exit_code == 0
    return path


def _runs(path: Path) -> list[Any]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT run_uuid, status FROM runs ORDER BY 1").fetchall()


@examples(150)
@given(changes=DAMAGE)
def test_an_archive_of_a_study(exported: Path, store: Store, changes: list[Damage]) -> None:
    path = Path(store.uri.removeprefix("sqlite:///"))
    before = _runs(path)
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "tiny.zip"
        archive.write_bytes(damage(exported.read_bytes(), changes))
        accepted(upkeep, ["import", str(archive), "--tracking-uri", store.uri], archive.parent)
    assert _runs(path) == before
