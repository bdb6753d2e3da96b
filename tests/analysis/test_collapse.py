"""Seeds whose training fails: groups of scores against brute force, diverged runs as the worst, and what is said."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ablations.record import Metric, Outcome, Plan, Stopping
from analysis.collapse import collapse_table
from analysis.floor import floor
from analysis.page.summary import failures
from analysis.runs import StudyRuns
from analysis.sensitivity import diverged_table
from analysis.statistics.groups import adjusted, groups, moderated_t, split
from analysis.tables import cells_table
from tests.analysis.conftest import grid_plan, study

SCORE = "test/weighted_f1"


def of_cells(*scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame([{"cell": f"c{i}", "score": score} for i, cell in enumerate(scores) for score in cell])


def with_scores(runs: StudyRuns, cell: str, change: dict[int, float], outcome: Outcome = Outcome.FINISHED) -> StudyRuns:
    """Runs of which some seeds of a cell have other scores; NaN where they diverged."""
    frame = runs.frame.copy()
    for seed, score in change.items():
        frame.loc[(frame["cell"] == cell) & (frame["seed"] == seed), ["outcome", SCORE]] = str(outcome), score
    return StudyRuns(runs.plan, frame)


def with_diverged(runs: StudyRuns, cell: str, *seeds: int) -> StudyRuns:
    return with_scores(runs, cell, dict.fromkeys(seeds, float("nan")), Outcome.DIVERGED)


def with_metric(plan: Plan, metric: Metric) -> Plan:
    return replace(plan, metric=metric)


@pytest.mark.parametrize("n", [4, 5, 8])
def test_the_t_of_one_cell_is_the_largest_over_all_ways_to_make_two_groups(n: int) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    ways = [
        stats.ttest_ind(scores[list(some)], np.delete(scores, some))
        for size in range(1, n // 2 + 1)
        for some in itertools.combinations(range(n), size)
        if size < n / 2 or 0 in some
    ]
    assert len(ways) == 2 ** (n - 1) - 1
    best = max(ways, key=lambda way: abs(way.statistic))
    _, between, within = split(scores[None])
    t = moderated_t(between, within, np.array([n]))
    assert t == pytest.approx(abs(best.statistic))
    assert adjusted(t, np.array([n])) == pytest.approx(min(1, len(ways) * best.pvalue))


def test_groups_that_are_far_apart_are_found_in_either_number_of_seeds() -> None:
    rng = np.random.default_rng(3)
    for n, fails in ((5, [1, 3]), (10, [0, 4, 7])):
        cells = 0.8 + 0.02 * rng.normal(size=(6, n))
        cells[2, fails] -= 0.4
        found = groups(of_cells(*cells.tolist()))
        assert list(found.index[found["p"] < 0.05]) == ["c2"]
        assert found.loc["c2", "lower"] == len(fails)


@pytest.mark.parametrize(
    "scores",
    [
        [0.9, 0.9, 0.9, 0.9, 0.8667],  # accuracies of 30 examples, which agree by chance
        [0.9, 0.9, 0.8667, 0.8667, 0.9, 0.8667],
        [0.5] * 6,
        [0.1, 0.9, 0.5],
        [],
    ],
)
def test_scores_of_a_small_test_set_constant_ones_and_few_make_no_groups(scores: list[float]) -> None:
    found = groups(of_cells(scores, [0.9, 0.8333, 0.8667, 0.9333]))
    assert not (found["p"] < 0.05).any()


def test_shift_and_scale_of_the_metric_change_no_group() -> None:
    cells = np.random.default_rng(5).normal(size=(3, 6))
    first, percent = (groups(of_cells(*(factor * cells - 7).tolist())) for factor in (1, 100))
    pd.testing.assert_frame_equal(first, percent, rtol=1e-6)


@pytest.mark.parametrize("direction", ["max", "min"])
def test_a_cell_that_collapses_has_its_rate_and_the_mean_of_the_rest(direction: str) -> None:
    worse = 0.1 if direction == "max" else 1.4
    runs = with_scores(study(grid_plan(10, direction), {}), "c220y", {2: worse, 5: worse + 0.01, 6: worse})
    (table,) = collapse_table(runs)
    assert list(table.numbers.index) == ["c220y"]
    row = table.numbers.loc["c220y"]
    assert (row["runs"], row["diverged"], row["collapsed"], row["rate"]) == (10, 0, 3, 0.3)
    assert list(row[["rate_low", "rate_high"]]) == pytest.approx(list(proportion_confint(3, 10, 0.05, "beta")))
    rest = runs.score[(runs.frame["cell"] == "c220y") & ~runs.frame["seed"].isin([2, 5, 6])]
    assert row["rest"] == pytest.approx(rest.mean())
    ends = stats.t.interval(0.95, 6, rest.mean(), float(rest.std()) / 7**0.5)
    assert list(row[["rest_low", "rest_high"]]) == pytest.approx(list(ends))
    assert "The seeds of 1 cell fall into two groups" in table.caption
    assert "none in 10 seeds allows a rate of up to 0.31" in table.caption
    (said,) = failures({"collapse": table})
    assert said.startswith("The seeds of a=2 b=20 y fall into two groups: 3 of 10 collapsed (mean 0.1" if worse < 1 else
                           "The seeds of a=2 b=20 y fall into two groups: 3 of 10 collapsed (mean 1.4")  # fmt: skip


def test_diverged_runs_count_as_failures_of_their_cell() -> None:
    runs = with_diverged(with_scores(study(grid_plan(10), {}), "c220y", {0: 0.1, 1: 0.1}), "c220y", 2)
    (table,) = collapse_table(with_diverged(runs, "c110y", 4))
    assert list(table.numbers[["runs", "diverged", "collapsed"]].loc["c220y"]) == [10, 1, 2]
    assert list(table.numbers[["runs", "diverged", "collapsed"]].loc["c110y"]) == [10, 1, 0]
    assert table.numbers.loc["c220y", "rate"] == pytest.approx(0.3)


def test_a_study_whose_seeds_all_work_has_no_table_of_failures(complete: StudyRuns) -> None:
    assert collapse_table(complete) == []
    assert diverged_table(complete) == []
    assert "‡" not in cells_table(complete).caption


def test_a_cell_that_is_better_without_its_diverged_runs_is_marked() -> None:
    runs = with_diverged(study(grid_plan(10), {"c220y": 0.05}), "c220y", 0, 3)
    (table,) = diverged_table(runs)
    row = table.numbers.loc["c220y"]
    assert (row["diverged"], row["verdict"], row["verdict_floor"]) == (2, "better", "undecided")
    kept = cells_table(runs).numbers.loc["c220y"]
    assert (row["difference"], row["p"]) == (kept["difference"], kept["p"])
    baseline = runs.score[runs.frame["cell"] == "c110x"].mean()
    filled = runs.score[runs.frame["cell"] == "c220y"].fillna(0.0).mean()
    assert row["difference_floor"] == pytest.approx(filled - baseline)
    shown = cells_table(runs)
    assert shown.readable.set_index("cell").loc["a=2 b=20 y†", "verdict"] == "better‡"
    assert "‡: another verdict if diverged runs count as 0 (table diverged)." in shown.caption
    assert "If diverged runs count as the worst possible ones, 1 verdict would be another." in failures(
        {"diverged": table}
    )


def test_where_the_baseline_diverged_every_comparison_is_shown_with_the_worst() -> None:
    (table,) = diverged_table(with_diverged(study(grid_plan(6), {}), "c110x", 1))
    assert len(table.numbers) == 7
    assert "1 runs of the baseline" in table.caption


def test_the_worst_score_is_the_declared_one_or_the_bound_of_a_known_metric() -> None:
    assert floor(Metric("test/weighted_f1", "max")) == 0
    assert floor(Metric("test/accuracy", "max", floor=0.25)) == 0.25
    assert floor(Metric("test/reward", "max")) is None
    assert floor(Metric("test/accuracy", "min")) is None
    plan = with_metric(grid_plan(6), Metric(SCORE, "max", floor=0.3))
    (table,) = diverged_table(with_diverged(study(plan, {}), "c220y", 0))
    assert "with 0.3 for each of these, the worst score that a run may have (as declared)" in table.caption


def test_without_a_known_worst_score_the_report_says_how_to_declare_one() -> None:
    runs = study(with_metric(grid_plan(6), Metric("test/reward", "max")), {})
    lost = (runs.frame["cell"] == "c220y") & (runs.frame["seed"] == 1)
    runs.frame.loc[lost, ["outcome", "test/reward"]] = str(Outcome.DIVERGED), float("nan")
    assert diverged_table(runs) == []
    (table,) = collapse_table(runs)
    assert "declare metric: {floor: ...}" in table.caption


def test_diverged_runs_count_as_the_worst_also_where_seeds_are_added_until_decided() -> None:
    plan = replace(grid_plan(8), stopping=Stopping(least=3))
    (table,) = diverged_table(with_diverged(study(plan, {"c220y": 0.2}), "c220y", 0))
    assert (table.numbers["difference_floor"] < table.numbers["difference"]).loc["c220y"]


def test_a_declared_floor_changes_the_plan_and_no_run() -> None:
    plan = grid_plan(3)
    declared = with_metric(plan, replace(plan.metric, floor=0.1))
    assert declared.digest() != plan.digest()
    assert declared.run_keys() == plan.run_keys()
    assert Plan.decode(declared.encode()) == declared
    assert "floor" not in plan.encode()
