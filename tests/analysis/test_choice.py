"""Choosing on dev: the winner's curse and its correction, the table, the awkward studies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablations.record import Metric, Outcome
from analysis.choice import FRESH, candidates, choice_table
from analysis.planned_runs import MISSING
from analysis.runs import StudyRuns
from analysis.statistics.selection import best, cross_fitted
from tests.analysis.conftest import grid_plan, study
from tests.analysis.test_search import chosen, trials

DEV, TEST = "best/dev/weighted_f1", "test/weighted_f1"


def with_dev(runs: StudyRuns, luck: float = 0.0) -> StudyRuns:
    """A study whose dev scores are those of test, and noise."""
    noise = luck * np.random.default_rng(5).normal(size=len(runs.frame))
    return StudyRuns(runs.plan, runs.frame.assign(**{DEV: runs.frame[TEST] + noise}))


def frames(rng: np.random.Generator, cells: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores on dev and test of cells that are all .6 on average; a run that is lucky on dev often is on test."""
    luck = rng.normal(size=(5, cells))
    dev, test = (0.6 + 0.02 * (luck + rng.normal(size=(5, cells))) / 2**0.5 for _ in range(2))
    columns = [f"c{i}" for i in range(cells)]
    return pd.DataFrame(dev, columns=columns), pd.DataFrame(test, columns=columns)


def test_of_equal_cells_the_winner_seems_better_and_fresh_seeds_say_it_is_not() -> None:
    rng = np.random.default_rng(0)
    optimism, naive, corrected, covered = [], [], [], 0
    for _ in range(400):
        dev, test = frames(rng, 12)
        winner, fresh = best(dev, "max"), cross_fitted(dev, test, "max")["score"]
        optimism.append(dev[winner].mean() - 0.6)
        naive.append(test[winner].mean() - 0.6)
        corrected.append(fresh.mean() - 0.6)
        covered += abs(fresh.mean() - 0.6) < 2.776 * fresh.std() / 5**0.5
    error = np.std(corrected) / 400**0.5
    assert np.mean(optimism) > 0.01
    assert np.mean(naive) > 0.005
    assert abs(np.mean(corrected)) < 3 * error < 0.003
    assert covered / 400 > 0.92


def test_a_clear_winner_is_chosen_by_every_seed_and_its_figure_is_its_own() -> None:
    dev = pd.DataFrame({"a": [0.5, 0.6, 0.4], "b": [0.8, 0.9, 0.7]}, index=[3, 5, 9])
    fitted = cross_fitted(dev, dev - 0.1, "max")
    assert fitted["chosen"].to_dict() == {3: "b", 5: "b", 9: "b"}
    assert fitted["score"].to_list() == pytest.approx([0.7, 0.8, 0.6])
    assert set(cross_fitted(dev, dev, "min")["chosen"]) == {"a"}


def test_each_seed_is_judged_by_the_choice_of_the_others() -> None:
    dev = pd.DataFrame({"a": [0.9, 0.1, 0.1], "b": [0.2, 0.2, 0.2]})
    test = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [10.0, 20.0, 30.0]})
    fitted = cross_fitted(dev, test, "max")
    assert fitted["chosen"].to_list() == ["b", "a", "a"]
    assert fitted["score"].to_list() == [10, 2, 3]
    assert best(dev, "max") == "a"


def test_of_equals_the_first_is_chosen_and_one_seed_has_no_other() -> None:
    dev = pd.DataFrame({"x": [0.5], "a": [0.5]})
    assert best(dev, "max") == "x"
    assert cross_fitted(dev, dev, "max").empty


def test_the_table_names_the_choice_and_both_figures() -> None:
    table = choice_table(with_dev(study(grid_plan(), {"c220y": 0.2}), 0.001))
    row, fresh = table.numbers.loc["c220y"], table.numbers.loc[FRESH]
    assert (row["winner"], row["chosen"]) == (True, 5)
    assert fresh["mean"] == pytest.approx(row["mean"])
    assert fresh["difference"] == pytest.approx(row["mean"] - table.numbers["mean"]["c110x"])
    assert table.readable["cell"].to_list() == ["a=2 b=20 y (chosen)", "a=1 b=10 x (baseline)", FRESH]
    assert f"Chosen on dev: a=2 b=20 y, test {fresh['mean']:.3f} [" in table.caption
    assert (
        f"(fresh seeds), naive {row['mean']:.3f}; to the baseline with fresh seeds {fresh['difference']:+.3f} ["
        in table.caption
    )
    assert len(table.numbers) == 9


def test_scores_on_test_have_no_say() -> None:
    runs = with_dev(study(grid_plan(), {"c220y": 0.2}))
    other = StudyRuns(runs.plan, runs.frame.assign(**{TEST: -runs.frame[TEST]}))
    one, two = choice_table(runs), choice_table(other)
    assert one.numbers[["winner", "chosen", "dev"]].equals(two.numbers[["winner", "chosen", "dev"]])


def test_a_metric_that_should_be_small_chooses_the_smallest() -> None:
    runs = with_dev(study(grid_plan(direction="min"), {"c120x": -0.3}))
    assert choice_table(runs).numbers["winner"].idxmax() == "c120x"


def test_a_seed_that_was_not_run_everywhere_is_left_out_and_a_cell_that_failed_does_not_compete() -> None:
    runs = with_dev(study(grid_plan(), {"c220y": 0.2}, missing=3))
    frame = runs.frame
    failed = (frame["cell"] == "c220y") & (frame["seed"] == 1)
    frame.loc[failed, "outcome"] = str(Outcome.DIVERGED)
    frame.loc[failed, [DEV, TEST]] = float("nan")
    dev, test = candidates(runs, DEV)
    assert list(dev.index) == [0, 1, 2, 3]
    assert "c220y" not in dev
    assert dev.columns[0] == "c110x"
    assert test.notna().all(axis=None)
    assert "1 cells do not compete" in choice_table(runs).caption
    assert "INCOMPLETE" in choice_table(runs).caption


def test_a_baseline_that_failed_leaves_a_choice_without_a_difference() -> None:
    runs = with_dev(study(grid_plan(), {"c220y": 0.2}))
    first = runs.frame["cell"] == "c110x"
    runs.frame.loc[first, "outcome"] = str(Outcome.FAILED)
    runs.frame.loc[first, [DEV, TEST]] = float("nan")
    table = choice_table(runs)
    assert "Chosen on dev: a=2 b=20 y" in table.caption
    assert "to the baseline" not in table.caption


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_say_what_they_cannot(seeds: int, tmp_path: Path) -> None:
    table = choice_table(with_dev(study(grid_plan(seeds=seeds), {"c220y": 0.2})))
    table.write(tmp_path, "study")
    assert ("naive: with one seed no other is left to judge the choice" in table.caption) == (seeds == 1)
    assert (FRESH in table.numbers.index) == (seeds == 2)


def test_where_there_is_nothing_to_choose_the_table_says_why(tmp_path: Path) -> None:
    whole = study(grid_plan(), {})
    empty = with_dev(StudyRuns(whole.plan, whole.frame.assign(outcome=MISSING)))
    table = choice_table(empty)
    table.write(tmp_path, "study")
    assert "Nothing to choose: no two cells finished with the same seeds" in (tmp_path / "choice.md").read_text()
    alone = replace(whole.plan, cells=whole.plan.cells[:1])
    frame = whole.frame[whole.frame["cell"] == "c110x"]
    assert "the study has one cell" in choice_table(with_dev(StudyRuns(alone, frame))).caption


def test_the_winner_of_a_search_has_fresh_seeds_already() -> None:
    plan = chosen("good")
    scores = {("base", 0): 0.5, ("base", 1): 0.6, ("good", 0): 0.6, ("good", 1): 0.7}
    rows = [
        {"cell": cell.cell_id, "name": cell.name, "seed": seed, "outcome": str(Outcome.FINISHED)}
        | {plan.metric.name: scores[cell.cell_id, seed]}
        for cell, seed in plan.run_keys().values()
    ]
    table = choice_table(StudyRuns(plan, pd.DataFrame(rows)), trials())
    assert plan.metric == Metric("test/weighted_f1", "max")
    assert "Chosen on dev by the search: enc=0.00123, test/weighted_f1 0.650 [" in table.caption
    assert "(fresh seeds: the search saw none of them" in table.caption
    assert "best/dev/weighted_f1 in the search was 0.700, which is optimistic" in table.caption
    assert table.readable["dev"].to_list() == ["0.500", "0.700"]
