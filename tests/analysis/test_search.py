"""The table and the figure of a search, and the report of a study that has one."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ablations.record import Metric, Outcome, Plan, PlannedCell
from analysis.figures import search as figure
from analysis.figures.style import style
from analysis.report import app
from analysis.runs import Store as Reader
from analysis.runs import StudyRuns
from analysis.search import search_table
from tests.runners.test_search import BAYESIAN, Searched

SCORES = {"base": (0.5, 0.5), "good": (0.8, 0.6), "same": (0.5, 0.5), "bad": (0.1, 0.3), "lost": (0.9, None)}


def trials() -> StudyRuns:
    """Five trials with two seeds; one of the last did not finish."""
    weights = dict(zip(SCORES, (0.05, 0.001234567, 0.5, 1.0, 0.2), strict=True))
    cells = tuple(
        PlannedCell(name, f"enc={weight:.3g}", {"loss.enc": f"{weight:.3g}", "loss.kind": "x"}, config, "d")
        for name, weight in weights.items()
        if (config := {"loss": {"enc": weight, "kind": {"kind": "x"}}})
    )
    factors = {"loss.enc": "enc", "loss.kind": "kind"}
    plan = Plan("s", Metric("best/dev/weighted_f1", "max"), "base", factors, cells, (100, 101), "code")
    rows = []
    for key, (cell, seed) in plan.run_keys().items():
        score = SCORES[cell.cell_id][seed - 100]
        outcome = Outcome.DIVERGED if score is None else Outcome.FINISHED
        row = {"cell": cell.cell_id, "name": cell.name, "seed": seed, "run_key": key, "run_id": f"id{key}"}
        rows.append(row | {"outcome": str(outcome), plan.metric.name: score})
    return StudyRuns(plan, pd.DataFrame(rows))


def chosen(winner: str) -> Plan:
    plan = trials().plan
    cells = tuple(cell for cell in plan.cells if cell.cell_id in ("base", winner))
    return replace(plan, metric=Metric("test/weighted_f1", "max"), factors={}, cells=cells, seeds=(0, 1))


def test_trials_are_listed_by_their_mean_on_dev_and_unfinished_ones_last() -> None:
    table = search_table(trials(), chosen("good"))
    assert list(table.numbers.index) == ["good", "base", "same", "bad", "lost"]
    row = table.numbers.loc["good"]
    assert (row["mean"], row["low"], row["high"]) == (pytest.approx(0.7), 0.6, 0.8)
    assert row["enc"] == 0.001234567
    assert table.numbers.loc["lost", ["mean", "low", "high"]].isna().all()
    assert table.readable["range"].to_list() == [
        "[0.600, 0.800]", "[0.500, 0.500]", "[0.500, 0.500]", "[0.100, 0.300]", "–",
    ]  # fmt: skip
    assert table.readable["outcome"].to_list() == ["finished"] * 4 + ["diverged"]
    assert table.readable[""].to_list() == ["winner", "baseline", "", "", ""]
    assert "optimistic" in table.caption
    assert "1 trials did not finish with every seed" in table.caption
    assert "INCOMPLETE" not in table.caption


def test_a_search_that_went_on_after_the_choice_says_so() -> None:
    assert "INCOMPLETE: the search went on" in search_table(trials(), chosen("same")).caption


def test_a_baseline_that_won_has_both_marks() -> None:
    runs = trials()
    runs.frame.loc[runs.frame["cell"] == "good", "best/dev/weighted_f1"] = 0.2
    table = search_table(runs, chosen("base"))
    assert table.readable[""].to_list()[0] == "winner, baseline"
    assert set(figure.points(runs.plan, table)["kind"]) == {"trial", "winner"}


def test_the_figure_has_a_panel_for_each_factor_and_marks_the_winner() -> None:
    table = search_table(trials(), chosen("good"))
    points = figure.points(trials().plan, table)
    assert len(points) == 4 * 2
    assert points.groupby("factor")["kind"].value_counts()[("enc", "winner")] == 1
    with style():
        drawn = figure.draw(points, "best/dev/weighted_f1")
    assert [ax.get_xscale() for ax in drawn.axes] == ["log", "linear"]
    assert drawn.axes[0].get_ylabel() == "dev/weighted_f1"
    assert [label.get_text() for label in drawn.axes[1].get_xticklabels()] == ["x"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    made = Searched(tmp_path_factory.mktemp("search"))
    made.run()
    return made


def report(made: Searched, out: Path) -> str:
    result = CliRunner().invoke(app, ["--study", "tiny", "--out", str(out), "--tracking-uri", made.uri])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_report_of_a_search_has_its_table_figure_and_runs(searched: Searched, tmp_path: Path) -> None:
    report(searched, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"search.csv", "search.md", "search.tex", "search.pdf", "search.png", "cells.md"} <= names
    cells = pd.read_csv(tmp_path / "cells.csv")
    assert len(cells) == 2
    assert cells["name"].str.contains("winner").to_list() == [False, True]
    assert cells["n"].to_list() == [2, 2]
    listed = pd.read_csv(tmp_path / "search.csv")
    assert len(listed) == 5
    assert listed["winner"].to_list() == [True] + [False] * 4
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (len(manifest["runs"]), len(manifest["search"]["runs"])) == (4, 10)


def test_what_is_read_of_a_search_has_no_score_on_test(searched: Searched) -> None:
    runs = Reader(searched.uri).search("tiny")
    assert runs is not None
    assert [column for column in runs.frame if "test" in str(column)] == []
    assert runs.score.between(0, 1).all()


def test_a_search_without_a_winner_has_no_report_yet(tmp_path: Path) -> None:
    made = Searched(tmp_path, BAYESIAN.replace("learning_rate: 0.03", "learning_rate: 1e30"))
    made.run()
    result = CliRunner().invoke(app, ["--study", "tiny", "--out", str(tmp_path / "o"), "--tracking-uri", made.uri])
    assert result.exit_code == 2
    assert "the search of the study 'tiny' has no winner yet: run its matrix again" in result.stderr
