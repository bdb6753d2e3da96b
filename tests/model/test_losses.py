"""Losses: fixed values, limiting cases, weights, extreme inputs."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from model.base import DataError
from model.coefficients import Coefficients
from model.fusion.parts import Fused, Reconstruction
from model.losses import BCE, MSE, NLL, Focal, FocalBCE, Huber, InfoNCE, Losses, SmoothL1
from model.losses.class_weight import ClassWeight, class_weights
from model.losses.modality_weight import column_weights
from model.losses.smoothing import targets
from model.network import Output
from model.objective import Objective

# Logits up to a constant, which softmax does not see.
LOGITS = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.3, 0.3, 0.4]], dtype=torch.float64).log() + 2
LABEL = torch.tensor([0, 1, 0])
TARGET = targets(LABEL, LOGITS, 0.0)


def test_fixed_values() -> None:
    assert NLL()(LOGITS, TARGET).sum(-1).tolist() == pytest.approx([-math.log(0.7), -math.log(0.9), -math.log(0.3)])
    focal = [-((1 - p) ** 2) * math.log(p) for p in (0.7, 0.9, 0.3)]
    assert Focal(gamma=2.0)(LOGITS, TARGET).sum(-1).tolist() == pytest.approx(focal)
    output, target = torch.tensor([[0.0, 0.5, 3.0]]), torch.zeros(1, 3)
    assert MSE()(output, target).mean().item() == pytest.approx((0.25 + 9) / 3)
    assert SmoothL1()(output, target).mean().item() == pytest.approx((0.125 + 2.5) / 3)


@given(st.floats(0.1, 5), st.integers(0, 2**31))
def test_focal_without_gamma_is_scaled_nll(alpha: float, seed: int) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    label = targets(torch.arange(5) % 4, logits, 0.0)
    torch.testing.assert_close(Focal(alpha=alpha, gamma=0.0)(logits, label), alpha * NLL()(logits, label))


@given(st.floats(0.05, 4), st.integers(0, 2**31))
def test_smooth_l1_is_that_of_torch(beta: float, seed: int) -> None:
    output = 3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed))
    expected = F.smooth_l1_loss(output, torch.zeros(4, 6), beta=beta, reduction="none")
    torch.testing.assert_close(SmoothL1(beta=beta)(output, torch.zeros(4, 6)), expected)


@given(st.floats(0.05, 4), st.integers(0, 2**31))
def test_huber_is_that_of_torch_and_smooth_l1_times_its_width(delta: float, seed: int) -> None:
    output, target = 3 * torch.randn(4, 6, generator=torch.Generator().manual_seed(seed)), torch.zeros(4, 6)
    expected = F.huber_loss(output, target, delta=delta, reduction="none")
    torch.testing.assert_close(Huber(delta=delta)(output, target), expected)
    torch.testing.assert_close(delta * SmoothL1(beta=delta)(output, target), expected)


def test_large_errors_count_linearly_and_small_ones_as_half_a_square() -> None:
    far, near, zero = torch.full((1, 3), 1e3), torch.full((1, 3), 1e-3), torch.zeros(1, 3)
    assert SmoothL1()(far, zero).mean().item() == pytest.approx(1e3, rel=1e-3)
    assert Huber()(near, zero).mean().item() == pytest.approx(MSE()(near, zero).mean().item() / 2)


@given(st.integers(0, 2**31))
def test_bce_is_that_of_torch(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, target = 5 * torch.randn(5, 4, generator=generator), torch.rand(5, 4, generator=generator)
    expected = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    torch.testing.assert_close(BCE()(logits, target), expected)
    torch.testing.assert_close(FocalBCE(gamma=0.0)(logits, target), expected)


def test_focal_bce_by_hand() -> None:
    p, logits = 0.8, torch.tensor([[math.log(4.0)]])
    loss = FocalBCE(alpha=0.25, gamma=2.0)
    assert loss(logits, torch.ones(1, 1)).item() == pytest.approx(-2 * 0.25 * 0.2**2 * math.log(p))
    assert loss(logits, torch.zeros(1, 1)).item() == pytest.approx(-2 * 0.75 * 0.8**2 * math.log(1 - p), rel=1e-5)


@pytest.mark.parametrize("loss", [NLL(), Focal(), Focal(gamma=0.5), BCE(), FocalBCE(), FocalBCE(gamma=0.5)])
@pytest.mark.parametrize("scale", [0.0, 30.0, 300.0])
def test_classification_gradients_are_finite_at_extreme_logits(
    loss: NLL | Focal | BCE | FocalBCE, scale: float
) -> None:
    logits = (scale * torch.tensor([[1.0, -1.0], [-1.0, 1.0]])).requires_grad_()
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    torch.autograd.backward(loss(logits, target).sum())
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@given(st.floats(0, 0.9), st.integers(0, 2**31))
def test_smoothed_nll_is_that_of_torch(smoothing: float, seed: int) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    label = torch.arange(5) % 4
    target = targets(label, logits, smoothing)
    torch.testing.assert_close(target.sum(1), torch.ones(5, dtype=torch.float64))
    expected = F.cross_entropy(logits, label, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(NLL()(logits, target).sum(-1), expected)


def test_smoothed_labels_move_towards_one_half() -> None:
    label = torch.tensor([[1, 0, 1]])
    assert targets(label, torch.zeros(1, 3), 0.2).tolist() == [pytest.approx([0.9, 0.1, 0.9])]


def terms(losses: Losses, output: Output, label: torch.Tensor, modalities: tuple[str, ...] = ("a", "b")) -> list[float]:
    classes = output.logits.size(1)
    numbers = Coefficients.of(losses, torch.ones(classes), modalities)
    objective = Objective.of([losses], modalities, gated=False)
    return [float(term) for term in objective.terms(output, label, numbers)]


def reconstruction(seed: int) -> Output:
    generator = torch.Generator().manual_seed(seed)
    output, target = torch.randn(2, 4, 5, generator=generator)
    fused = Fused(output, {"reconstruction_global": Reconstruction(output, target, [2, 3])})
    return Output(torch.zeros(4, 2), fused, (output,))


@given(st.integers(0, 2**31), st.floats(0.1, 10))
def test_equal_modality_weights_are_the_unweighted_loss(seed: int, weight: float) -> None:
    output, label = reconstruction(seed), torch.zeros(4, dtype=torch.int64)
    plain = terms(Losses(), output, label)
    assert terms(Losses(modality_weight={"a": 1.0, "b": 1.0}), output, label) == plain
    assert terms(Losses(modality_weight={"a": weight, "b": weight}), output, label) == plain
    torch.testing.assert_close(column_weights(torch.tensor([weight, weight]), [2, 3]), torch.ones(5))


def test_a_modality_of_weight_zero_is_not_reconstructed() -> None:
    output, label = reconstruction(0), torch.zeros(4, dtype=torch.int64)
    only = terms(Losses(modality_weight={"a": 0.0}), output, label)[2]
    (reconstructed, target, _) = output.fused.reconstructions["reconstruction_global"]
    assert only == pytest.approx(MSE()(reconstructed, target)[:, 2:].mean().item())


def test_modality_weights_are_in_the_units_of_the_columns() -> None:
    """Twice the weight is as if the modality's columns stood there twice."""
    output, label = reconstruction(1), torch.zeros(4, dtype=torch.int64)
    twice = terms(Losses(modality_weight={"a": 2.0}), output, label)[2]
    loss = MSE()(*output.fused.reconstructions["reconstruction_global"][:2])
    assert twice == pytest.approx(torch.cat([loss, loss[:, :2]], 1).mean().item())


def test_class_weights_of_several_labels_weigh_the_labels() -> None:
    logits, label = torch.tensor([[0.0, 2.0], [1.0, -1.0]]), torch.tensor([[1, 0], [0, 1]])
    output = Output(logits, Fused(logits, {}), (logits,))
    weighted = terms(Losses(classification=BCE(), class_weight=(1.0, 3.0)), output, label)[0]
    loss = BCE()(logits, label.float())
    assert weighted == pytest.approx(((loss[:, 0] + 3 * loss[:, 1]).sum() / 8).item())


def test_class_weights_of_effective_number_lie_between_equal_and_inverse_frequency() -> None:
    count = torch.tensor([1000.0, 10.0], dtype=torch.float64)
    inverse, effective = class_weights("inverse_frequency", count), class_weights("effective_number", count)
    expected = [1 / (1 - 0.999**1000), 1 / (1 - 0.999**10)]
    assert (effective / effective[0]).tolist() == pytest.approx([1, expected[1] / expected[0]])
    assert effective.mean() == pytest.approx(1)
    assert 1 < effective[1] / effective[0] < inverse[1] / inverse[0]


def test_class_weights_of_inverse_frequency_balance_the_classes() -> None:
    count = torch.tensor([6.0, 3.0, 1.0])
    weight = class_weights("inverse_frequency", count)
    assert (weight * count).tolist() == pytest.approx([10 / 3] * 3)
    assert class_weights("none", count).tolist() == [1, 1, 1]
    assert class_weights((1.0, 2.0, 3.0), count).tolist() == [1, 2, 3]


@pytest.mark.parametrize("setting", ["inverse_frequency", "effective_number"])
def test_a_class_missing_from_training_has_weight_one_and_does_not_touch_the_others(setting: ClassWeight) -> None:
    count = torch.tensor([50.0, 5.0, 0.0])
    weight = class_weights(setting, count)
    assert weight[2] == 1
    present = class_weights(setting, count[:2])
    assert (weight[:2] / weight[0]).tolist() == pytest.approx((present / present[0]).tolist())


def test_class_weights_of_the_wrong_number_are_refused() -> None:
    with pytest.raises(DataError, match="has 2 weights, but the data set has 3 classes"):
        Losses(class_weight=(1.0, 2.0)).check(3, False, ("text",))


@pytest.mark.parametrize(
    ("losses", "multi_label", "message"),
    [
        (Losses(), True, "loss.classification is nll, but the data set has several labels for each utterance; use bce"),
        (Losses(classification=BCE()), False, "is bce, but the data set has one class for each utterance; use nll"),
        (Losses(modality_weight={"smell": 1.0}), False, "names smell; the modalities are text, audio"),
        (Losses(modality_weight={"text": 0.0, "audio": 0.0}), False, "is 0 for every modality"),
    ],
)
def test_settings_that_do_not_fit_the_data_are_refused(losses: Losses, multi_label: bool, message: str) -> None:
    with pytest.raises(DataError, match=message):
        losses.check(3, multi_label, ("text", "audio"))


def test_infonce_is_small_for_equal_and_large_for_swapped_views() -> None:
    u = torch.eye(6)
    loss = InfoNCE()
    assert loss(u, u).mean() < loss(u, torch.randn(6, 6, generator=torch.Generator().manual_seed(0))).mean()
    assert loss(u, u.roll(1, 0)).mean() > loss(u, u).mean() + 1


def test_infonce_does_not_depend_on_scale_or_order() -> None:
    u, v = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loss, order = InfoNCE(), torch.randperm(7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loss(3 * u, v / 2), loss(u, v))
    torch.testing.assert_close(loss(u[order], v[order]), loss(u, v)[order])


@pytest.mark.parametrize("node", [torch.ones(1, 3), torch.zeros(1, 3), torch.zeros(4, 3)])
def test_infonce_of_one_node_or_of_zeros_is_finite(node: torch.Tensor) -> None:
    u = node.clone().requires_grad_()
    torch.autograd.backward(InfoNCE()(u, torch.ones_like(node)).sum())
    assert u.grad is not None
    assert torch.isfinite(u.grad).all()
    assert len(node) > 1 or InfoNCE()(node, node).item() == 0
