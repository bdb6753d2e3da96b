"""The whole way, from a matrix to a claim: nothing is claimed of what does nothing, and what was planted is found.

A study of the first kind compares copies of one data set whose train dialogues are in another order: for each seed the
order in which a network sees them is then another one, drawn alike, so that the true differences are 0. In the second
kind the train labels of one copy are noised.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from ablations.settings import applied, defaults
from analysis import report
from model.config import RunConfig
from model.data import TRAIN, Dataset, Synthetic
from model.training import train
from runners import ablate

SETTINGS = {"training": {"epochs": 6, "batch_size": 4, "monitor_every": 0}}
METRIC = "test/weighted_f1"
CLAIMS = {"better", "worse"}


def save(dataset: Dataset, path: Path) -> Path:
    arrays: dict[str, Any] = {key: getattr(dataset, key) for key in ("label", "length", "speaker", "split")}
    arrays |= dataset.features
    np.savez(path, **arrays, label_names=np.array(dataset.label_names))
    return path


def reordered(dataset: Dataset, seed: int) -> Dataset:
    """With the train dialogues in another order, in the places of train dialogues."""
    order = np.arange(len(dataset.length))
    train_dialogues = dataset.dialogues(TRAIN)
    order[train_dialogues] = np.random.default_rng(seed).permutation(train_dialogues)
    rows = np.concatenate([np.arange(dataset.start[i], dataset.start[i] + dataset.length[i]) for i in order])
    return replace(
        dataset,
        features={key: feature[rows] for key, feature in dataset.features.items()},
        label=dataset.label[rows],
        length=dataset.length[order],
        speaker=dataset.speaker[rows],
        split=dataset.split[rows],
    )


def noised(dataset: Dataset, share: float) -> Dataset:
    """With a share of the train labels drawn anew."""
    rng = np.random.default_rng(0)
    drawn = (rng.random(len(dataset.label)) < share) & (dataset.split == TRAIN)
    label = np.where(drawn, rng.integers(0, len(dataset.label_names), len(dataset.label)), dataset.label)
    return replace(dataset, label=label)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One data set, four copies of it in other orders, and one whose labels are noised."""
    folder = tmp_path_factory.mktemp("data")
    dataset = Synthetic(dialogues=40, min_dev_dialogues=0, min_test_dialogues=0, signal=1.2).load()
    copies = {f"copy{seed}": reordered(dataset, seed) for seed in range(1, 5)}
    made = {"base": dataset, **copies, "noised": noised(dataset, 0.5)}
    return {name: save(data, folder / f"{name}.npz") for name, data in made.items()}


def declare(name: str, levels: Sequence[Path], seeds: Sequence[int], folder: Path) -> Path:
    data = {"kind": "npz", "path": str(levels[0]), "features": ["audio", "text", "visual"]}
    matrix = {
        "study": name,
        "base": {"data": data, **SETTINGS},
        "metric": {"name": METRIC, "direction": "max", "sesoi": 0.01},
        "factors": {"data.path": [str(path) for path in levels]},
        "seeds": list(seeds),
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(matrix, sort_keys=False))
    return folder / f"{name}.yaml"


def concluded(matrix: Path, folder: Path) -> pd.DataFrame:
    """What the report says of each cell but the baseline, after the command has run the study."""
    uri, out = f"sqlite:///{folder}/mlflow.db", folder / "paper" / matrix.stem
    run = ["--matrix", str(matrix), "--executor", "inprocess", "--tracking-uri", uri]
    ran = CliRunner().invoke(ablate.app, run)
    assert ran.exit_code == 0, ran.output
    written = CliRunner().invoke(
        report.app,
        ["--study", matrix.stem, "--out", str(out), "--tracking-uri", uri, "--allow-mixed", "data"],
    )
    assert written.exit_code == 0, written.output
    cells = pd.read_csv(out / "cells.csv")
    others = cells[cells["verdict"] != "baseline"] if "baseline" in set(cells["verdict"]) else cells
    return others[others["difference"].notna()]


def test_nothing_is_claimed_of_copies_of_the_data(files: dict[str, Path], tmp_path: Path) -> None:
    found = concluded(declare("aa", [files["base"], files["copy1"], files["copy2"]], range(5), tmp_path), tmp_path)
    assert len(found) == 2
    assert (found["difference"] != 0).all()
    assert not set(found["verdict"]) & CLAIMS
    assert ((found["difference_low"] < 0) & (found["difference_high"] > 0)).all()


def test_nothing_is_claimed_of_a_setting_that_changes_no_result(files: dict[str, Path], tmp_path: Path) -> None:
    matrix = declare("inert", [files["base"]], range(3), tmp_path)
    declared = yaml.safe_load(matrix.read_text())
    matrix.write_text(yaml.safe_dump(declared | {"factors": {"training.monitor_every": [0, 3, 7]}}))
    found = concluded(matrix, tmp_path)
    assert found["difference"].tolist() == [0, 0]
    assert not set(found["verdict"]) & CLAIMS


def truth(files: dict[str, Path], seeds: Sequence[int]) -> float:
    """Mean effect of the noise on runs of other seeds, trained without any of the rest."""
    scores = []
    for name in ("base", "noised"):
        data = {"kind": "npz", "path": str(files[name]), "features": ["audio", "text", "visual"]}
        config = RunConfig.model_validate_json(json.dumps(applied(defaults(), {"data": data, **SETTINGS})))
        dataset = config.data.load().standardised()
        fits = [train(config, dataset, seed, torch.device("cpu")).scores for seed in seeds]
        scores.append([of["weighted_f1"] for of in fits if of])
    base, other = np.array(scores)
    return float((other - base).mean())


def test_a_planted_effect_is_found_and_its_interval_covers_it(files: dict[str, Path], tmp_path: Path) -> None:
    matrix = declare("planted", [files["base"], files["copy1"], files["noised"]], range(5), tmp_path)
    found = concluded(matrix, tmp_path).set_index("name")
    noisy = found.loc[[name for name in found.index if "noised" in name]].iloc[0]
    copy = found.drop(noisy.name).iloc[0]
    effect = truth(files, range(100, 115))
    assert noisy["verdict"] == "worse"
    assert noisy["difference_low"] < effect < noisy["difference_high"]
    assert copy["verdict"] not in CLAIMS


@pytest.mark.slow
def test_of_twelve_studies_of_copies_hardly_any_claims_something(files: dict[str, Path], tmp_path: Path) -> None:
    """More than 2 of 12 with a false claim, or fewer than 10 whose joint intervals cover 0, has probability .02."""
    levels = [files[name] for name in ("base", "copy1", "copy2", "copy3", "copy4")]
    claimed = covered = 0
    for number in range(12):
        matrix = declare(f"aa{number}", levels, range(5 * number, 5 * number + 5), tmp_path)
        found = concluded(matrix, tmp_path)
        claimed += bool(set(found["verdict"]) & CLAIMS)
        covered += bool(((found["difference_low"] < 0) & (found["difference_high"] > 0)).all())
    assert claimed <= 2
    assert covered >= 10
