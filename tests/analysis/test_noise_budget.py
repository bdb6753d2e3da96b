"""The noise budget: its parts are those of a simulation, and what it asks for is enough."""

import numpy as np
import pandas as pd
import pytest

from ablations.noise.budget import NoiseBudget, needs
from ablations.noise.dialogues import resampled, sources, weights
from ablations.power import power
from analysis.noise import noise_table
from tests.analysis.conftest import grid_plan, study


@pytest.mark.parametrize(("training", "disagreement"), [(0.0, 4.0), (0.5, 4.0), (1.0, 0.5)])
def test_its_parts_are_those_of_the_simulation(training: float, disagreement: float) -> None:
    """Differences of n seeds on D dialogues, ``training x seed + dialogue + disagreement x both``; 300 studies."""
    rng, seeds, dialogues = np.random.default_rng(0), 6, 40
    weight, found = weights(dialogues, 300), []
    for _ in range(300):
        noise = disagreement * rng.normal(size=(seeds, dialogues)) + 2.0 * rng.normal(size=dialogues)
        scores = training * rng.normal(size=(seeds, 1)) + noise
        counts = np.stack([scores, np.ones_like(scores)], -1)
        draws = resampled(counts, weight, lambda sums: sums[..., 0] / sums[..., 1])
        parts = sources(scores.mean(1), draws, dialogues)
        found.append([seeds * parts.seeds**2, seeds * parts.interaction**2])
    total, test = np.mean(found, axis=0)
    # The standard error of the mean of 300 variances with 5 degrees of freedom is 4 %.
    assert total == pytest.approx(training**2 + disagreement**2 / dialogues, rel=0.12)
    assert test == pytest.approx(disagreement**2 / dialogues, rel=0.05)


def test_the_seeds_and_the_dialogues_that_it_asks_for_are_the_fewest_that_do() -> None:
    budget, comparisons, effect = NoiseBudget(4e-4, 3e-4, 100), 3, 0.02
    seeds = budget.seeds_for(effect, comparisons)
    assert seeds is not None
    sd = (budget.total / 2) ** 0.5
    assert power(effect, sd, seeds, comparisons) >= 0.8 > power(effect, sd, seeds - 1, comparisons)
    larger = budget.dialogues_for(effect, 8, comparisons)
    assert larger is not None
    for dialogues, enough in ((larger, True), (larger - 2, False)):
        sd = ((budget.training + budget.test * 100 / dialogues) / 2) ** 0.5
        assert (power(effect, sd, 8, comparisons) >= 0.8) == enough


def test_where_training_alone_is_too_noisy_no_test_set_is_large_enough() -> None:
    budget = NoiseBudget(4e-4, 1e-4, 100)
    assert budget.dialogues_for(0.005, 5, 3) is None
    assert "no test set, however large, would do it" in needs(budget, 0.005, 5, 3)
    assert "25 % of the variance" in needs(budget, None, 5, 3)
    assert NoiseBudget(1e-4, 2e-4, 100).share == 1
    assert NoiseBudget(1e-4, 2e-4, 100).training == 0


def test_without_dialogues_or_with_one_seed_there_is_no_budget() -> None:
    runs = study(grid_plan(), {})
    assert noise_table(runs, pd.DataFrame({"quantity": ["mean"]})) == []
    row = {"cell": "c", "name": "c", "quantity": "difference", "n": 1, "test_dialogues": 9}
    assert noise_table(runs, pd.DataFrame([row | {"seeds": np.nan, "interaction": np.nan}])) == []
