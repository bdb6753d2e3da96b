"""Normalisation of terms: values and gradients."""

from typing import Literal

import pytest
import torch

from model.normalisation import Normalisation


def series(kind: Literal["none", "log", "minmax"], values: list[float]) -> list[float]:
    normalise = Normalisation(kind)
    return [normalise(torch.tensor([value])).item() for value in values]


def test_none_changes_nothing() -> None:
    assert series("none", [3.0, 1.0]) == [3.0, 1.0]


def test_log_divides_the_gradient_by_one_plus_the_term() -> None:
    term = torch.tensor([3.0], requires_grad=True)
    torch.autograd.backward(Normalisation("log")(term).sum())
    assert term.grad is not None
    assert term.grad.item() == pytest.approx(0.25)


def test_minmax_is_the_place_between_the_extremes_so_far() -> None:
    assert series("minmax", [4.0, 2.0, 3.0, 8.0]) == pytest.approx([0.0, 0.0, 0.5, 1.0])


def test_minmax_gives_terms_of_other_units_one_gradient() -> None:
    normalise, slope = Normalisation("minmax"), torch.zeros(2)
    for value in (4.0, 2.0, 3.0):
        terms = torch.tensor([value, 100 * value], requires_grad=True)
        (slope,) = torch.autograd.grad(normalise(terms).sum(), terms)
    assert slope.tolist() == pytest.approx([0.5, 0.005])


@pytest.mark.parametrize("value", [0.0, 1e-9, 5.0])
def test_minmax_of_a_constant_is_finite(value: float) -> None:
    assert series("minmax", [value] * 3) == [0.0] * 3
    terms = torch.tensor([value], requires_grad=True)
    (slope,) = torch.autograd.grad(Normalisation("minmax")(terms).sum(), terms)
    assert slope.isfinite().all()
