"""Weighting strategies: what each computes, and what all keep to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchjd import scalarization

from model.config import RunConfig
from model.data import Dataset
from model.seeding import reseed
from model.training import Fit, train
from model.weighting import Strategy, Weighting
from model.weighting.aggregated import Aggregation
from model.weighting.base import Step, WeightingConfig
from model.weighting.cagrad import CAGrad
from model.weighting.dwa import DWA
from model.weighting.gradient_balance import GradientBalance
from model.weighting.gradnorm import GradNorm
from model.weighting.imtl_g import IMTLG
from model.weighting.inverse_loss import InverseLoss
from model.weighting.mgda import MGDA
from model.weighting.rlw import RLW
from model.weighting.uncertainty import Uncertainty
from model.weighting.upgrad import UPGrad

STRATEGIES: tuple[type[WeightingConfig], ...] = get_args(get_args(Weighting)[0])
AGGREGATIONS = [strategy for strategy in STRATEGIES if issubclass(strategy, Aggregation)]
CONSTANT_WITHIN_EPOCH = {"fixed", "inverse_loss", "dwa"}
CPU = torch.device("cpu")
BASE = torch.tensor([1.0, 0.2, 0.05], dtype=torch.float64)


def kind(strategy: type[WeightingConfig]) -> str:
    return str(strategy.model_fields["kind"].default)


def config(strategy: str, **loss: Any) -> RunConfig:
    return RunConfig.model_validate_json(
        '{"data": {"kind": "synthetic", "dialogues": 12, "min_dev_dialogues": 0, "min_test_dialogues": 0},'
        ' "model": {"fusion": {"kind": "hierarchical"}},'
        '"training": {"epochs": 3, "batch_size": 3, "monitor_every": 1}}'
    ).model_copy(
        update={"loss": RunConfig().loss.model_copy(update={"weighting": RunConfig.model_validate(
            {"loss": {"weighting": {"kind": strategy}}}).loss.weighting, **loss})}
    )  # fmt: skip


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return config("fixed").data.load().standardised()


def fit(dataset: Dataset, strategy: str, **loss: Any) -> Fit:
    return train(config(strategy, **loss), dataset, 0, CPU)


@pytest.mark.parametrize("normalisation", ["none", "log", "minmax"])
@pytest.mark.parametrize("strategy", [kind(strategy) for strategy in STRATEGIES])
def test_the_breakdown_adds_up(dataset: Dataset, strategy: str, normalisation: str) -> None:
    result = fit(dataset, strategy, normalisation=normalisation)
    assert not result.diverged
    names = [name.removeprefix("train/loss/") for name in result.history[0] if name.startswith("train/loss/")]
    names.remove("total")
    for metrics in result.history:
        weighted = [metrics[f"train/weighted/{name}"] for name in names]
        assert metrics["train/loss/total"] == pytest.approx(sum(weighted), rel=1e-9)
        # A term at its smallest so far is 0 after minmax.
        share = 1 if any(weighted) else 0
        assert sum(metrics[f"train/share/{name}"] for name in names) == pytest.approx(share)
        if strategy in CONSTANT_WITHIN_EPOCH:
            term = "loss" if normalisation == "none" else "normalised"
            product = [metrics[f"train/weight/{name}"] * metrics[f"train/{term}/{name}"] for name in names]
            assert weighted == pytest.approx(product, rel=1e-6)


@pytest.mark.parametrize("strategy", [kind(strategy) for strategy in STRATEGIES])
def test_a_seed_gives_the_same_bits(dataset: Dataset, strategy: str) -> None:
    first = fit(dataset, strategy)
    torch.rand(5)
    assert fit(dataset, strategy).history == first.history


@pytest.mark.parametrize("strategy", [kind(strategy) for strategy in STRATEGIES])
def test_a_term_of_weight_zero_stays_off(dataset: Dataset, strategy: str) -> None:
    result = fit(dataset, strategy, encoder_weight=0.0)
    for metrics in result.history:
        assert metrics["train/weight/reconstruction_global"] == metrics["train/weighted/gate"] == 0
        assert metrics["train/weight/classification"] != 0
    assert "train/gradient/gate" not in result.history[0]


@pytest.mark.parametrize("strategy", [kind(strategy) for strategy in STRATEGIES])
def test_a_single_term_is_trained(dataset: Dataset, strategy: str) -> None:
    alone = RunConfig.model_validate({"loss": {"contrastive": {"kind": "none"}}}).loss.contrastive
    result = fit(dataset, strategy, encoder_weight=0.0, contrastive=alone)
    assert result.history[-1]["train/loss/classification"] < result.history[0]["train/loss/classification"]
    assert "train/loss/contrastive" not in result.history[0]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=kind)
def test_a_strategy_declares_what_it_needs(strategy: type[WeightingConfig]) -> None:
    """What asks for gradients of single terms costs backward passes."""
    asks = strategy().start(BASE).every > 0
    assert strategy.measures is asks
    assert ("backward pass" in strategy.cost) is asks


@pytest.mark.parametrize("strategy", [s for s in STRATEGIES if s().start(BASE).every == 0], ids=kind)
def test_the_start_is_that_of_the_configuration(strategy: type[WeightingConfig]) -> None:
    started = strategy().start(BASE)
    assert torch.equal(started.weight, BASE)


def after(strategy: Strategy, epochs: Sequence[Sequence[float]]) -> Tensor:
    for terms in epochs:
        strategy.on_epoch(torch.tensor(terms, dtype=torch.float64))
    return strategy.weight


def test_inverse_loss_by_hand() -> None:
    plain = after(InverseLoss(renormalise=False, window=2).start(BASE), [[1.0, 2, 4], [3, 2, 4], [1, 2, 4]])
    first = [0.9 * base + 0.1 / loss for base, loss in zip(BASE.tolist(), (1, 2, 4), strict=True)]
    second = [0.9 * weight + 0.1 / loss for weight, loss in zip(first, (2, 2, 4), strict=True)]
    third = [0.9 * weight + 0.1 / loss for weight, loss in zip(second, (2, 2, 4), strict=True)]
    assert plain.tolist() == pytest.approx(third)


def test_the_plain_recurrence_grows_without_bound_and_the_renormalised_keeps_its_sum() -> None:
    """Losses that halve in each epoch: the plain weights become a rising learning rate."""
    losses = [[0.5**epoch, 0.5**epoch, 4 * 0.5**epoch] for epoch in range(20)]
    plain = after(InverseLoss(renormalise=False).start(BASE), losses)
    scaled = after(InverseLoss().start(BASE), losses)
    assert plain.sum() > 100 * BASE.sum()
    assert scaled.sum().item() == pytest.approx(BASE.sum().item())
    assert scaled[1] / scaled[2] > BASE[1] / BASE[2] / 2


def test_the_units_of_the_losses_scale_the_plain_weights_alone() -> None:
    sums = {}
    for renormalise in (False, True):
        config = InverseLoss(renormalise=renormalise)
        weights = [after(config.start(BASE), [[unit, 2 * unit, 4 * unit]] * 200) for unit in (1.0, 100.0)]
        sums[renormalise] = [weight.sum().item() for weight in weights]
    assert sums[True] == pytest.approx([BASE.sum().item()] * 2)
    assert sums[False][0] == pytest.approx(100 * sums[False][1])


def test_dwa_is_that_of_the_package() -> None:
    epochs = [[2.0, 1.0, 4.0], [1.0, 0.9, 4.4], [0.8, 0.2, 4.0]]
    package = scalarization.DWA(temperature=2.0)
    for terms in epochs:
        package(torch.tensor(terms, dtype=torch.float64))
        package.step()
    values = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    ones = torch.ones(3, dtype=torch.float64)
    assert (after(DWA().start(ones), epochs) @ values).item() == pytest.approx(package(values).item())
    torch.testing.assert_close(after(DWA().start(BASE), epochs), BASE * after(DWA().start(ones), epochs))


def test_uncertainty_descends_on_the_loss_of_the_package() -> None:
    package, rate = scalarization.UW(3), 0.1
    started = Uncertainty(learning_rate=rate).start(torch.ones(3))
    for _ in range(5):
        terms = torch.tensor([2.0, 0.5, 1.0])
        started.on_step(Step(terms, terms, None))
        torch.testing.assert_close(started.weight, (-package.log_var.detach()).exp())
        package.zero_grad()
        torch.autograd.backward(2 * package(terms))
        with torch.no_grad():
            assert package.log_var.grad is not None
            package.log_var.sub_(rate * package.log_var.grad)


def test_random_weights_are_those_of_the_configuration_in_the_mean() -> None:
    reseed(0)
    started, drawn = RLW().start(BASE), []
    for _ in range(4000):
        started.on_step(Step(BASE, BASE, None))
        drawn.append(started.weight / BASE)
    weights = torch.stack(drawn)
    assert weights.mean(0).tolist() == pytest.approx([1.0, 1.0, 1.0], abs=0.05)
    assert weights.sum(1).tolist() == pytest.approx([3.0] * 4000)
    assert weights.std(0).min() > 0.3


def step(g: Tensor, *raw: float) -> Step:
    terms = torch.tensor(raw, dtype=torch.float64)
    return Step(terms, terms / 2, g)


def gramian(seed: int, terms: int = 3, width: int = 7) -> Tensor:
    jacobian = torch.randn(terms, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return jacobian @ jacobian.T


@given(st.integers(0, 2**31))
def test_balanced_gradients_push_as_the_configuration_says(seed: int) -> None:
    g = gramian(seed)
    norm = g.diagonal().sqrt()
    started = GradientBalance(every=4).start(BASE)
    started.on_step(Step(BASE, BASE, g))
    pushed = started.weight * norm
    torch.testing.assert_close(pushed / pushed.sum(), BASE / BASE.sum())
    torch.testing.assert_close(pushed.sum(), (BASE * norm).sum())
    before = started.weight
    started.on_step(Step(BASE, BASE, None))
    assert torch.equal(started.weight, before)


def test_gradnorm_descends_on_the_loss_of_the_paper() -> None:
    """Against automatic differentiation of equation 2."""
    config = GradNorm(alpha=1.5, learning_rate=0.01)
    started = config.start(torch.ones(3, dtype=torch.float64))
    g = gramian(1)
    norm = g.diagonal().sqrt()
    started.on_step(step(g, 2.0, 1.0, 4.0))
    started.on_step(step(g, 1.0, 0.9, 4.0))
    first = started.weight
    v = first.clone().requires_grad_()
    rate = torch.tensor([0.5, 0.9, 1.0], dtype=torch.float64)
    target = (first * norm).mean() * (rate / rate.mean()) ** config.alpha
    torch.autograd.backward((v * norm - target).abs().sum() / (first * norm).mean())
    assert v.grad is not None
    expected = first - config.learning_rate * v.grad
    started.on_step(Step(BASE, BASE, g))
    torch.testing.assert_close(started.weight, 3 * expected / expected.sum())


def aggregated(config: WeightingConfig, g: Tensor, base: Tensor | None = None) -> Tensor:
    reseed(0)
    started = config.start(torch.ones(len(g), dtype=torch.float64) if base is None else base)
    started.on_step(step(g, *[1.0] * len(g)))
    return started.weight


@pytest.mark.parametrize("strategy", AGGREGATIONS, ids=kind)
def test_orthogonal_gradients_of_one_length_give_the_plain_sum(strategy: type[WeightingConfig]) -> None:
    weight = aggregated(strategy(), 4 * torch.eye(3, dtype=torch.float64))
    assert weight.tolist() == pytest.approx([1.0] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("mgda", [1.2, 0.8]),
        ("pcgrad", [2.2222, 1.5789]),
        ("cagrad", [0.9476, 0.7143]),
        ("upgrad", [2.2222, 1.5789]),
        ("imtl_g", [1.1847, 0.8153]),
        ("aligned_mtl", [1.1181, 0.8165]),
    ],
)
def test_fixed_values(strategy: str, expected: list[float]) -> None:
    jacobian = torch.tensor([[-4.0, 1, 1], [6, 1, 1]], dtype=torch.float64)
    config = RunConfig.model_validate({"loss": {"weighting": {"kind": strategy}}}).loss.weighting
    assert aggregated(config, jacobian @ jacobian.T).tolist() == pytest.approx(expected, rel=1e-3)


@given(st.integers(0, 2**31))
def test_upgrad_makes_no_term_worse(seed: int) -> None:
    g = gramian(seed, terms=4)
    assert (g @ aggregated(UPGrad(), g)).min() > -1e-6 * g.diagonal().max()


@given(st.integers(0, 2**31), st.floats(0.1, 2))
def test_upgrad_without_a_conflict_is_the_plain_sum(seed: int, scale: float) -> None:
    g = gramian(seed).abs() * scale
    g = g @ g
    assert aggregated(UPGrad(), g, BASE).tolist() == pytest.approx(BASE.tolist(), rel=1e-6)


@given(st.integers(0, 2**31))
def test_mgda_has_the_shortest_of_the_convex_combinations(seed: int) -> None:
    g = gramian(seed)
    weight = aggregated(MGDA(), g) / 3
    assert weight.sum().item() == pytest.approx(1)
    others = torch.rand(50, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    others = others / others.sum(1, keepdim=True)
    # The package stops a little before the end.
    slack = 0.01 * g.diagonal().max()
    assert weight @ g @ weight <= torch.einsum("ij,jk,ik->i", others, g, others).min() + slack


@given(st.integers(0, 2**31))
def test_imtl_g_projects_equally_on_all_gradients(seed: int) -> None:
    g = gramian(seed)
    projection = (g @ aggregated(IMTLG(), g)) / g.diagonal().sqrt()
    torch.testing.assert_close(projection, projection.mean().expand(3), rtol=1e-4, atol=1e-6)


@given(st.integers(0, 2**31))
def test_cagrad_without_a_radius_is_the_plain_sum(seed: int) -> None:
    assert aggregated(CAGrad(c=0.0), gramian(seed), BASE).tolist() == pytest.approx(BASE.tolist(), rel=1e-5)


@pytest.mark.parametrize("strategy", AGGREGATIONS, ids=kind)
def test_a_run_that_diverges_is_an_outcome_under_every_rule(dataset: Dataset, strategy: type[WeightingConfig]) -> None:
    wild = config(kind(strategy)).model_copy(
        update={"training": RunConfig.model_validate({"training": {"learning_rate": 1e30, "epochs": 3}}).training}
    )
    assert train(wild, dataset, 0, CPU).diverged


@pytest.mark.parametrize("strategy", [*AGGREGATIONS, GradientBalance], ids=kind)
def test_a_term_without_a_gradient_keeps_its_weight_and_does_not_touch_the_others(
    strategy: type[WeightingConfig],
) -> None:
    g = gramian(3)
    holed = torch.zeros(4, 4, dtype=torch.float64)
    rest = torch.tensor([0, 1, 3])
    holed[rest[:, None], rest] = g
    base = torch.tensor([1.0, 0.2, 0.7, 0.05], dtype=torch.float64)
    weight = aggregated(strategy(), holed, base)
    assert weight[2] == base[2]
    torch.testing.assert_close(weight[rest], aggregated(strategy(), g, base[rest]))
    assert torch.equal(aggregated(strategy(), 0 * holed, base), base)


@pytest.mark.parametrize("strategy", [kind(strategy) for strategy in STRATEGIES])
def test_dialogues_of_one_utterance_are_trained_with_sensible_weights(strategy: str) -> None:
    """A batch of one utterance has no negatives: its contrastive term has no gradient."""
    settings = config(strategy)
    dataset = settings.data.load().standardised()
    n = len(dataset.label)
    split = np.repeat([0, 1, 2], [n - 40, 20, 20])
    alone = replace(dataset, length=np.ones(n, np.int64), speaker=np.zeros(n, np.int64), split=split)
    training = settings.training.model_copy(update={"batch_size": 1, "epochs": 1})
    result = train(settings.model_copy(update={"training": training}), alone, 0, CPU)
    assert not result.diverged
    for name, value in result.history[0].items():
        assert not name.startswith("train/weight/") or 0 <= abs(value) < 1e5, (name, value)
