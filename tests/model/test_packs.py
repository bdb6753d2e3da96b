"""Packs: runs that are trained together yield what they yield alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablations.study import load
from model.base import kinds
from model.config import RunConfig
from model.configuration import Configuration
from model.data import Dataset
from model.optimiser import Optimiser
from model.schedule import Schedule
from model.training import Fit, Trainer, train
from model.weighting import Weighting

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
# In double precision: in single precision a unit whose input crosses 0 by rounding sends a run another way, alone or in
# a pack. Sums in another order differ by 1e-16; Adam and 5 epochs of training make 1e-9 of it at most.
TOLERANCE = 1e-7


def same(alone: Fit, together: Fit, tolerance: float = TOLERANCE) -> None:
    assert (alone.diverged, alone.best_epoch) == (together.diverged, together.best_epoch)
    for a, b in zip(alone.history, together.history, strict=True):
        assert list(a) == list(b)
        np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=tolerance, atol=tolerance)
    if alone.test and together.test:
        assert np.array_equal(alone.test.predicted, together.test.predicted)
        np.testing.assert_allclose(alone.test.probability, together.test.probability, atol=tolerance)
    assert (alone.test is None) == (together.test is None)


def config(**settings: Any) -> RunConfig:
    """A small run; ``settings`` by section."""
    training = {"epochs": 3, "batch_size": 4, "precision": "fp64"}
    base = {
        "data": {"kind": "synthetic", "dialogues": 16, "min_dev_dialogues": 0, "min_test_dialogues": 0},
        "training": training,
    }
    return RunConfig.model_validate({key: base.get(key, {}) | settings.get(key, {}) for key in (*base, *settings)})


def dataset(configs: Sequence[Configuration]) -> Dataset:
    loaded: Dataset = configs[0].source.load()
    return loaded.standardised()


def compare(configs: list[RunConfig], tolerance: float = TOLERANCE) -> list[Fit]:
    assert len({config.pack_key() for config in configs}) == 1
    data = dataset(configs)
    together = Trainer(configs, data, 0, CPU).fit()
    for cell, fit in zip(configs, together, strict=True):
        same(train(cell, data, 0, CPU), fit, tolerance)
    return together


@pytest.mark.timeout(600)
def test_all_cells_of_the_loss_study_yield_the_same_in_packs_of_1_7_and_64() -> None:
    settings = [
        "training.epochs=3",
        "training.precision=fp64",
        "data.dialogues=24",
        "data.min_dev_dialogues=0",
        "data.min_test_dialogues=0",
    ]
    study = load(ROOT / "ablations" / "loss.yaml", settings)
    cells = [cell.config for cell in study.cells]
    data = dataset(cells)
    alone = [train(cell, data, 0, CPU) for cell in cells]
    for size in (7, 64):
        packs = [cells[i : i + size] for i in range(0, len(cells), size)]
        together = [fit for pack in packs for fit in Trainer(pack, data, 0, CPU).fit()]
        for a, b in zip(alone, together, strict=True):
            same(a, b)


@pytest.mark.parametrize("strategy", kinds(Weighting))
def test_every_strategy_is_packed(strategy: str) -> None:
    fusion = {"fusion": {"kind": "hierarchical"}}
    cells = [
        config(model=fusion, loss={"weighting": {"kind": strategy}, "encoder_weight": weight}) for weight in (0.05, 0.5)
    ]
    other = "gradnorm" if cells[0].loss.weighting.measures else "fixed"
    # The convex program of CAGrad is solved to 1e-8.
    tolerance = 1e-4 if strategy == "cagrad" else TOLERANCE
    compare([*cells, config(model=fusion, loss={"weighting": {"kind": other}})], tolerance)


def test_what_differs_inside_the_loss_is_packed() -> None:
    compare(
        [
            config(),
            config(loss={"classification": {"kind": "focal", "gamma": 1.5}, "class_weight": "inverse_frequency"}),
            config(loss={"reconstruction": {"kind": "huber", "delta": 0.3}, "label_smoothing": 0.1}),
            config(loss={"normalisation": "log", "modality_weight": {"text": 3.0}}),
            config(loss={"normalisation": "minmax", "encoder_weight": 0.0}),
            config(loss={"contrastive": {"kind": "infonce", "temperature": 0.5, "weight": 0.4}}),
        ]
    )


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_coarse_precision_gives_about_the_same_losses(precision: str) -> None:
    fine, coarse = (config(training={"precision": name}) for name in ("fp32", precision))
    data = dataset([fine])
    expected = train(fine, data, 0, CPU).history[-1]["train/loss/total"]
    (alone,) = Trainer([coarse], data, 0, CPU).fit()
    for fit in (alone, *Trainer([coarse] * 2, data, 0, CPU).fit()):
        assert fit.history[-1]["train/loss/total"] == pytest.approx(expected, rel=0.02)
    assert (alone.history[-1]["train/loss/total"] != expected) == (precision == "bf16")


@pytest.mark.parametrize("kind", kinds(Optimiser))
@pytest.mark.parametrize("schedule", kinds(Schedule))
def test_every_optimiser_and_schedule_is_packed(kind: str, schedule: str) -> None:
    training = {"optimiser": {"kind": kind, "weight_decay": 0.1}, "schedule": {"kind": schedule, "warmup": 0.3}}
    compare([config(training=training), config(training=training, loss={"encoder_weight": 0.5})])


def test_several_labels_are_packed() -> None:
    data = {"multi_label": True}
    both = [
        config(
            data={"kind": "synthetic", "dialogues": 16, "min_dev_dialogues": 0, "min_test_dialogues": 0, **data},
            loss={"classification": {"kind": kind}},
        )
        for kind in ("bce", "focal_bce")
    ]
    compare(both)


def test_a_cell_that_diverges_does_not_touch_the_others() -> None:
    """A loss that overflows, among cells that are well."""
    wild = config(loss={"classification": {"kind": "focal", "alpha": 1e308}})
    fits = compare([config(), wild, config(loss={"encoder_weight": 0.5})])
    assert [bool(fit.diverged) for fit in fits] == [False, True, False]
    assert len(fits[1].history) < 3


def test_a_pack_of_cells_that_all_diverge_ends() -> None:
    fits = compare([config(training={"learning_rate": 1e300}), config(training={"learning_rate": 1e300})])
    assert [bool(fit.diverged) for fit in fits] == [True, True]


def test_each_cell_has_its_own_epoch() -> None:
    cells = [config(loss={"encoder_weight": weight}, training={"epochs": 6, "batch_size": 2}) for weight in (0.0, 5.0)]
    cells += [config(loss={"contrastive": {"kind": "infonce", "weight": 3.0}}, training=cells[0].training.model_dump())]
    fits = compare(cells)
    assert len({fit.best_epoch for fit in fits}) > 1


def test_in_single_precision_most_cells_agree_closely() -> None:
    single = {"precision": "fp32"}
    cells = [config(loss={"encoder_weight": weight}, training=single) for weight in np.linspace(0.01, 0.2, 8).tolist()]
    data = dataset(cells)
    together = Trainer(cells, data, 0, CPU).fit()
    close = 0
    for cell, fit in zip(cells, together, strict=True):
        alone = train(cell, data, 0, CPU)
        a, b = (np.array([metrics["train/loss/total"] for metrics in run.history]) for run in (alone, fit))
        close += bool(np.allclose(a, b, rtol=1e-5))
        np.testing.assert_allclose(a, b, rtol=0.05)
    assert close >= 6


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"dropout": 0.1}},
        {"training": {"epochs": 4, "batch_size": 4}},
        {"data": {"kind": "synthetic", "dialogues": 20, "min_dev_dialogues": 0, "min_test_dialogues": 0}},
        {"loss": {"weighting": {"kind": "gradnorm"}}},
        {"loss": {"contrastive": {"kind": "none"}}},
        {"loss": {"contrastive": {"kind": "infonce", "weight": 0.0}}},
        {"loss": {"contrastive": {"kind": "infonce", "feature_mask": 0.5}}},
    ],
)
def test_what_must_be_equal_is_not_packed(change: dict[str, Any]) -> None:
    assert config(**change).pack_key() != config().pack_key()


def test_recurrent_contexts_run_alone() -> None:
    keys = {config(model={"context": {"kind": "lstm"}}, loss={"encoder_weight": w}).pack_key() for w in (0.1, 0.2)}
    assert len(keys) == 2
