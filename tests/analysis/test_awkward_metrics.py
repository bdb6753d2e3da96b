"""Metrics that are minimised, negative, in percent or without spread: the same claims, and words for dashes."""

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from analysis.page.summary import summary
from analysis.runs import StudyRuns
from analysis.tables import Table
from tests.analysis.conftest import grid_plan, study
from tests.analysis.test_page import tables_of

SCORE = "test/weighted_f1"
EFFECTS = {"c220y": 0.2, "c120x": -0.2}
TABLES = ["cells", "effects", "sizes", "margins"]
WHY = (
    "Nothing is tested: that takes two seeds in common",
    "one seed: nothing tells",
    "it does not vary from seed to seed",
)


def changed(runs: StudyRuns, change: Callable[[pd.Series], pd.Series], direction: str = "max") -> StudyRuns:
    plan = replace(runs.plan, metric=replace(runs.plan.metric, direction=direction))  # type: ignore[arg-type]
    return StudyRuns(plan, runs.frame.assign(**{SCORE: change(runs.frame[SCORE])}))


def of(runs: StudyRuns, name: str) -> Table:
    return tables_of(runs)[name]


@pytest.fixture(scope="module")
def usual() -> StudyRuns:
    return study(grid_plan(), EFFECTS)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    ("change", "direction"),
    [(lambda s: s - 3.6, "max"), (lambda s: 100 * s, "max"), (lambda s: -s, "min"), (lambda s: 5 - 100 * s, "min")],
    ids=["negative", "percent", "minimised and negative", "minimised percent"],
)
def test_p_values_and_verdicts_do_not_depend_on_how_a_metric_is_written(
    usual: StudyRuns, change: Callable[[pd.Series], pd.Series], direction: str, name: str
) -> None:
    first, second = of(usual, name), of(changed(usual, change, direction), name)
    for column in {"p", "verdict", "better", "seeds", "n"} & {*first.numbers.columns}:
        before, after = first.numbers[column], second.numbers[column]
        if before.dtype == float:
            assert after.to_numpy() == pytest.approx(before.to_numpy(), nan_ok=True, rel=1e-6), column
        else:
            assert list(after) == list(before), column
    assert first.caption.count("costs") == second.caption.count("costs")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(
    "runs",
    [study(grid_plan(1), EFFECTS), changed(study(grid_plan(), {}), lambda s: 0 * s + 0.5)],
    ids=["one seed", "no spread"],
)
def test_a_table_in_which_nothing_is_tested_says_why(runs: StudyRuns, name: str) -> None:
    table = of(runs, name)
    assert any(words in table.caption for words in WHY), table.caption
    assert "no effect shown" not in table.caption
    assert "nan" not in table.readable.to_string().lower()
    # No interval of length 0, and no minus before a zero.
    assert "-0.000" not in table.readable.to_string()


def test_a_cell_that_ties_with_the_baseline_at_every_seed_is_no_better_and_no_worse(usual: StudyRuns) -> None:
    frame = usual.frame.copy()
    own, base = frame["cell"] == "c220y", frame["cell"] == "c110x"
    frame.loc[own, SCORE] = frame.loc[base, SCORE].to_numpy()
    row = of(StudyRuns(usual.plan, frame), "cells").numbers.loc["c220y"]
    assert list(row[["difference", "p", "verdict"]]) == [0, 1, "undecided"]
    assert "ested: that takes" not in of(usual, "cells").caption


@pytest.mark.parametrize("seeds", [1, 5])
def test_the_page_says_that_nothing_was_tested_where_that_is_so(seeds: int) -> None:
    runs = study(grid_plan(seeds), EFFECTS)
    said = " ".join(summary(runs, tables_of(runs)))
    assert ("Nothing is tested" in said) == (seeds == 1)
