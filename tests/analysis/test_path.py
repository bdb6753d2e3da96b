"""The path between two configurations: greedy on dev, and the mean over all orders against its definition."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.path import path_table, shapley_weights, steps, ways
from tests.analysis.conftest import grid_plan, study
from tests.analysis.test_choice import DEV, TEST, with_dev

EFFECT = {  # of a, b, kind and of a and b together: b alone does harm
    f"c{a}{b}{k}": 0.05 * (a == 2) - 0.03 * (b == 20) + 0.02 * (k == "y") + 0.06 * (a == 2 and b == 20)
    for a in (1, 2)
    for b in (10, 20)
    for k in ("x", "y")
}


def test_each_step_flips_what_is_best_on_dev() -> None:
    runs = with_dev(study(grid_plan(), EFFECT, noise=1e-4))
    found = ways(runs.plan)
    assert found is not None
    assert found.settings == {"p.a": "a: 2", "p.b": "b: 20", "p.kind": "kind: y"}
    table = path_table(runs, found)
    assert table.numbers["setting"].to_list() == ["a: 2", "b: 20", "kind: y"]
    assert table.numbers["cell"].to_list() == ["c210x", "c220x", "c220y"]
    assert table.numbers["step_mean"].to_list() == pytest.approx([0.05, 0.03, 0.02], abs=1e-3)
    assert table.numbers["orders_mean"].to_list() == pytest.approx([0.08, 0.0, 0.02], abs=1e-3)
    other = replace(runs.plan, metric=replace(runs.plan.metric, direction="min"))
    dev = runs.frame.pivot(index="seed", columns="cell", values=DEV)
    assert steps(found, dev, other.metric.direction) == ["p.b", "p.kind", "p.a"]


def test_the_mean_over_all_orders_is_that_and_adds_up() -> None:
    runs = with_dev(study(grid_plan(), EFFECT, noise=0.02))
    found = ways(runs.plan)
    assert found is not None
    test = runs.frame.pivot(index="seed", columns="cell", values=TEST)
    for path in found.settings:
        gains = []
        for order in itertools.permutations(found.settings):
            before = frozenset(order[: order.index(path)])
            gains.append(test[found.cells[before | {path}]] - test[found.cells[before]])
        (weights,) = shapley_weights(found, [path])
        np.testing.assert_allclose(test[list(found.cells.values())] @ weights, np.mean(gains, axis=0))
    table = path_table(runs, found).numbers
    whole = (test["c220y"] - test["c110x"]).mean()
    assert table["orders_mean"].sum() == pytest.approx(whole)
    assert table["step_mean"].sum() == pytest.approx(whole)
    for what in ("step", "orders"):
        excludes = (table[f"{what}_low"] > 0) | (table[f"{what}_high"] < 0)
        assert excludes.equals(table[f"{what}_p"] < 0.05)
    # Adjusted for all steps: no narrower than the interval of one step alone.
    first = test[table["cell"].iloc[0]] - test["c110x"]
    alone = stats.ttest_1samp(first, 0).pvalue
    assert table["step_p"].iloc[0] > alone


def test_one_seed_has_no_interval_and_a_hole_has_no_path() -> None:
    one = with_dev(study(grid_plan(seeds=1), EFFECT))
    found = ways(one.plan)
    assert found is not None
    table = path_table(one, found)
    assert table.numbers["step_low"].isna().all()
    assert table.readable["step on test"].str.endswith("–").all()
    hole = with_dev(study(grid_plan(seeds=1), EFFECT, missing=1))
    empty = path_table(hole, found)
    assert empty.numbers.empty
    assert "not every cell between the two configurations finished" in empty.caption


def test_other_designs_have_no_path() -> None:
    plan = grid_plan()
    assert ways(replace(plan, cells=plan.cells[:-1])) is None
    assert ways(replace(plan, factors={})) is None
    three = replace(plan.cells[1], cell_id="c", levels={**plan.cells[1].levels, "p.a": "3"})
    assert ways(replace(plan, cells=(*plan.cells, three))) is None
    assert isinstance(path_table(with_dev(study(plan, {})), ways(plan)).numbers, pd.DataFrame)  # type: ignore[arg-type]
