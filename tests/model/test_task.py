"""A user's task is trained by the same rules as the model that comes with the project."""

import math
import pickle
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ray import cloudpickle
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score

from examples.digits.task import Digits
from model.base import DataError
from model.evaluation import Evaluation, classification
from model.task import Data
from model.task_config import TaskConfig, TaskError, imported, task_class
from model.training import Fit, Trainer, train
from tests.model.tasks import Regression, linear
from tests.model.test_packs import same

CPU = torch.device("cpu")
DIGITS, LINE = "examples.digits.task:Digits", "tests.model.tasks:Regression"
SMALL = {"epochs": 3, "precision": "fp64", "batch_size": 16, "learning_rate": 0.02}


def config(task: str, training: Mapping[str, Any] = SMALL, **sections: Any) -> TaskConfig:
    return task_class(task).model_validate({"training": training, **sections}, strict=False)


def alone_and_together(cells: list[TaskConfig]) -> list[Fit]:
    assert len({cell.pack_key() for cell in cells}) == 1
    data = cells[0].source.load().prepared()
    together = Trainer(cells, data, 1, CPU).fit()
    for cell, fit in zip(cells, together, strict=True):
        alone = train(cell, data, 1, CPU)
        same(alone, fit)
        assert alone.scores == pytest.approx(fit.scores, abs=1e-9, nan_ok=True)
    return together


def test_cells_of_the_digits_yield_the_same_alone_and_in_a_pack() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"loss": {"weight": {"contrastive": 0.0}}},
        {"loss": {"weighting": {"kind": "dwa"}, "normalisation": "log"}},
        {"model": {"temperature": 0.5}},
    ]
    small = {"train": 64}
    cells = [config(DIGITS, **change | {"model": small | change.get("model", {})}) for change in changes]
    fits = alone_and_together(cells)
    assert len({fit.scores["weighted_f1"] for fit in fits}) > 1
    assert all(fit.test is not None and fit.test.probability.shape == (600, 10) for fit in fits)


def test_strategies_by_gradients_and_statistics_of_batches_work_in_a_pack() -> None:
    cells = [
        config(LINE, model={"scale": scale}, loss={"weighting": {"kind": "pcgrad"}, "weight": {"absolute": weight}})
        for scale, weight in ((1.0, 0.5), (2.0, 0.0), (1.0, 2.0))
    ]
    alone_and_together(cells)


def test_the_epoch_is_that_of_the_smallest_error_where_smaller_is_better() -> None:
    cell = config(LINE, training=SMALL | {"epochs": 8, "learning_rate": 0.3})
    fit = train(cell, cell.source.load(), 0, CPU)
    errors = [metrics["dev/rmse"] for metrics in fit.history]
    assert fit.best_epoch == errors.index(min(errors)) > 0
    assert fit.test is None
    assert set(fit.scores) == {"rmse", "r2"}


def test_a_metric_that_is_better_when_larger_may_choose_as_well() -> None:
    cell = config(LINE, training=SMALL | {"select": "r2", "epochs": 8, "learning_rate": 0.3})
    fit = train(cell, cell.source.load(), 0, CPU)
    scores = [metrics["dev/r2"] for metrics in fit.history]
    assert fit.best_epoch == scores.index(max(scores))


def test_every_parameter_is_trained_and_belongs_to_a_part_of_the_users_network() -> None:
    cell = config(LINE)
    trainer = Trainer([cell], cell.source.load(), 0, CPU)
    before = {name: value.clone() for name, value in trainer.networks.parameters.items()}
    assert set(trainer.networks.parts()) == {"0", "1", "3"}
    trainer.fit()
    assert all(not torch.equal(value, before[name]) for name, value in trainer.networks.parameters.items())


def undefined(**model: Any) -> TaskConfig:
    training = SMALL | {"epochs": 6, "learning_rate": 0.1}
    return config("tests.model.tasks:Undefined", training=training, model=model)


def test_an_epoch_whose_score_is_nan_is_not_chosen() -> None:
    whole = train(undefined(), undefined().source.load(), 0, CPU)
    first = whole.history[0]["dev/rmse"]
    cell = undefined(limit=first * 0.999)
    fit = train(cell, cell.source.load(), 0, CPU)
    assert math.isnan(fit.history[0]["dev/rmse"])
    assert (fit.diverged, fit.best_epoch) == ("", whole.best_epoch)
    assert fit.best_epoch != 0


def test_a_run_without_a_finite_score_on_dev_or_on_test_diverges_and_says_why() -> None:
    never = undefined(limit=1e-9)
    fit = train(never, never.source.load(), 0, CPU)
    assert (fit.diverged, fit.best_epoch) == ("rmse on dev is finite after no epoch", None)
    assert len(fit.history) == 6
    lost = undefined(on_test=True)
    fit = train(lost, lost.source.load(), 0, CPU)
    assert (fit.diverged, fit.scores, fit.test) == ("rmse on test is nan at the chosen epoch", {}, None)


def test_a_cell_without_a_finite_score_does_not_touch_the_others_of_its_pack() -> None:
    def cells(**model: Any) -> list[TaskConfig]:
        losses = [{"weight": {"absolute": weight}} for weight in (0.0, 0.5, 5.0)]
        return [config("tests.model.tasks:Undefined", loss=loss, model=model) for loss in losses]

    errors = [min(metrics["dev/rmse"] for metrics in fit.history) for fit in alone_and_together(cells())]
    fits = alone_and_together(cells(limit=(min(errors) + max(errors)) / 2))
    assert {bool(fit.diverged) for fit in fits} == {True, False}


@pytest.mark.parametrize(
    ("method", "found", "message"),
    [
        ("evaluate", {"rmse": 1.0}, "evaluate returns a dict; it must return an Evaluation"),
        ("evaluate", Evaluation({"rmse": "low"}), "evaluate gives a str for 'rmse'; a metric is a number"),  # type: ignore[dict-item]
        ("losses", [torch.zeros(())], "losses returns a list of Tensor; it must return the terms by name"),
        ("losses", (torch.zeros(()), torch.zeros(4)), "losses returns a tuple of Tensor, Tensor; it must"),
    ],
)
def test_what_a_method_returns_wrongly_is_named(
    method: str, found: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Regression, method, lambda *_: found)
    cell = config(LINE)
    with pytest.raises(DataError, match=message):
        train(cell, cell.source.load(), 0, CPU)


@pytest.mark.parametrize("kind", ["fixed", "pcgrad", "gradnorm"])
@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
def test_what_is_frozen_stays_as_it_is_alone_and_in_a_pack(kind: str, optimiser: str) -> None:
    decays = SMALL | {"optimiser": {"kind": optimiser, "weight_decay": 0.1}, "monitor_every": 1}
    losses = [{"weighting": {"kind": kind}, "weight": {"absolute": weight}} for weight in (0.5, 0.0, 2.0)]
    cells = [config("tests.model.tasks:Frozen", training=decays, loss=loss) for loss in losses]
    fits = alone_and_together(cells)
    assert {name for name in fits[0].history[0] if name.startswith("train/gradient/squared/")} == {
        f"train/gradient/squared/{layer}" for layer in (1, 2, 4)
    }

    data = cells[0].source.load()
    for some in (cells, cells[:1]):
        trainer = Trainer(some, data, 1, CPU)
        before = {cell: {k: x.clone() for k, x in trainer.networks.of(cell).items()} for cell in range(len(some))}
        trainer.fit()
        for cell in range(len(some)):
            after = trainer.networks.of(cell)
            moved = {name for name in after if not torch.equal(after[name], before[cell][name])}
            assert {name.removeprefix("network.") for name in moved if "running" not in name and "num" not in name} == {
                "1.bias", "2.weight", "2.bias", "4.weight", "4.bias",
            }  # fmt: skip


def test_a_pack_holds_one_copy_of_what_is_frozen() -> None:
    cell = config("tests.model.tasks:Frozen")
    trainer = Trainer([cell] * 3, cell.source.load(), 1, CPU)
    assert set(trainer.networks.shared) == {"network.0.weight", "network.0.bias", "network.1.weight"}
    assert not trainer.networks.shared.keys() & trainer.networks.state.keys()


def test_a_network_of_which_nothing_is_trained_is_refused() -> None:
    cell = config("tests.model.tasks:Frozen", model={"frozen": "all"})
    with pytest.raises(DataError, match="every parameter of the network is frozen"):
        Trainer([cell], cell.source.load(), 1, CPU)


def test_what_differs_in_the_network_is_never_packed_and_what_says_so_neither() -> None:
    base = config(LINE)
    assert config(LINE, model={"scale": 3.0}, loss={"normalisation": "log"}).pack_key() == base.pack_key()
    assert config(LINE, model={"hidden": 4}).pack_key() != base.pack_key()
    assert config(LINE, training=SMALL | {"epochs": 4}).pack_key() != base.pack_key()
    other = "tests.model.tasks:Alone"
    assert config(other).pack_key() != config(other, loss={"weight": {"absolute": 1.0}}).pack_key()


def test_a_task_that_no_pack_can_train_is_trained_alone() -> None:
    cell = config("tests.model.tasks:Alone")
    assert train(cell, cell.source.load(), 0, CPU).scores["rmse"] < 1.5


@pytest.mark.parametrize("module", [pickle, cloudpickle])
def test_a_configuration_travels_to_another_process(module: Any) -> None:
    cell = config(DIGITS, loss={"weight": {"contrastive": 0.0}}, model={"temperature": 0.7})
    again = module.loads(module.dumps(cell))
    assert again == cell
    assert type(again) is type(cell)
    assert again.source == cell.source


def test_the_parts_of_a_task_are_its_terms_and_what_is_done_with_them() -> None:
    cell = config(DIGITS, loss={"weight": {"contrastive": 0.0}, "weighting": {"kind": "rlw"}})
    assert cell.switches() == {
        "classification": {"loss.weight.classification": 0.0},
        "reconstruction": {"loss.weight.reconstruction": 0.0},
        "weighting": {"loss.weighting": {"kind": "fixed"}},
    }


BAD_DATA: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"dev": linear(0, 0)}, "split dev is empty"),
    "lengths": ({"test": {"x": np.zeros((2, 4)), "y": np.zeros(3)}}, "split test has arrays of several lengths"),
    "names": ({"dev": {"x": np.zeros((2, 4))}}, r"split dev has arrays .* but train has"),
    "widths": ({"dev": {"x": np.zeros((2, 5)), "y": np.zeros(2)}}, "split dev has arrays"),
    "nothing": ({"train": {}}, "split train has no arrays"),
    "numbers": ({"train": {"x": np.full((2, 4), np.nan), "y": np.zeros(2)}}, "split train has NaN or infinity in x"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_data_that_break_a_rule_are_refused(kind: str) -> None:
    change, message = BAD_DATA[kind]
    with pytest.raises(DataError, match=message):
        Data(**{"train": linear(4, 0), "dev": linear(2, 1), "test": linear(2, 2), **change})


def test_the_digest_is_of_all_contents_and_of_nothing_else() -> None:
    def data(**change: Mapping[str, NDArray[Any]]) -> Data:
        return Data(**{"train": linear(4, 0), "dev": linear(2, 1), "test": linear(2, 2), **change})  # type: ignore[arg-type]

    x, y = linear(2, 2).values()
    assert data().digest == data(test={"y": y, "x": x}).digest
    assert data().digest != data(test={"x": x, "y": y + 1}).digest
    assert Digits(train=64).load().digest != Digits(train=65).load().digest


def test_logits_are_evaluated_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    found = classification(logits, label, ("a", "b", "c"), group=np.arange(40) // 4)
    assert found.metrics["accuracy"] == accuracy_score(label, logits.argmax(1))
    assert found.metrics["weighted_f1"] == pytest.approx(f1_score(label, logits.argmax(1), average="weighted"))
    assert found.prediction is not None
    np.testing.assert_allclose(found.prediction.probability, softmax(logits, 1), atol=1e-6)
    assert found.prediction.position.tolist() == [0, 1, 2, 3] * 10
    several = classification(logits, (logits > 0.3).astype(np.int64), ("a", "b", "c"))
    assert several.prediction is not None
    assert several.prediction.multi_label


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("nowhere.at.all:Task", "cannot be imported from .*ModuleNotFoundError: No module named 'nowhere'"),
        ("tests.model.tasks:Nothing", "has no task 'Nothing'.*: .*tests.model.tasks:Regression"),
        ("tests.model.tasks:NOT_A_TASK", "has no task 'NOT_A_TASK'"),
        ("tests.model.tasks:NoDefault", "needs a default for each setting; width has none"),
        ("tests.model.tasks:BadName", "names of letters, digits and _, but has squared/2"),
    ],
)
def test_what_is_no_task_is_refused_with_the_way_out(task: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        imported(task)
