"""The committed studies on real data, which lie outside the repository: the tests skip where they are absent."""

from pathlib import Path

import pytest
import torch

from ablations.study import load
from model.training import train

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not part of the repository")


def test_the_baseline_of_mosi_beats_chance_by_far() -> None:
    study = load(ROOT / "ablations" / "mosi.yaml", [f"data.path={DATA / 'mosi.npz'}"])
    dataset = study.baseline.config.source.load().standardised()
    assert (len(study.cells), len(dataset.label), len(dataset.length)) == (64, 2199, 93)
    fit = train(study.baseline.config, dataset, 0, torch.device("cpu"))
    assert fit.test is not None
    scores = fit.scores
    assert scores["weighted_f1"] > 0.72


def test_meld_has_what_the_study_says() -> None:
    study = load(ROOT / "ablations" / "meld.yaml", [f"data.path={DATA / 'meld_text.npz'}"])
    dataset = study.baseline.config.source.load()
    assert len(study.cells) == 4
    assert [len(dataset.dialogues(split)) for split in range(3)] == [1038, 114, 280]
    assert (len(dataset.label_names), dataset.speakers) == (7, 9)
