"""Tables and figures of a study: the numbers, the holes, the files, the same bytes twice."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ablations.record import COUNTS, Metric, Plan, PlannedCell
from analysis import latex
from analysis.breakdown import breakdown_table
from analysis.classes import classes_table
from analysis.course import Course, drawn_cells
from analysis.factors import effects_table, most_important
from analysis.figures import curves, forest, heatmap, margins, matrices, shares, terms
from analysis.figures.style import save, style
from analysis.floats import Float
from analysis.runs import StudyRuns
from analysis.statistics.contrasts import contrasts
from analysis.tables import Table, cells_table
from tests.analysis.conftest import grid_plan, study


def test_cells_table_has_mean_interval_and_contrast_of_every_cell(complete: StudyRuns) -> None:
    table = cells_table(complete)
    assert len(table.numbers) == 8
    frame = complete.frame
    scores = frame.loc[frame["cell"] == "c220y", "test/weighted_f1"]
    row = table.numbers.loc["c220y"]
    assert row["mean"] == pytest.approx(scores.mean())
    assert row["low"] < row["mean"] < row["high"]
    expected = contrasts(frame.assign(score=complete.score), "c110x").loc["c220y"]
    assert row["difference"] == pytest.approx(expected["difference"])
    assert row["p"] < 0.001
    assert table.numbers["difference"].isna().to_list() == [cell == "c110x" for cell in table.numbers.index]
    readable = table.readable.set_index("cell")
    assert readable.loc["a=1 b=10 x (baseline)", "p (adjusted)"] == "–"
    assert readable.loc["a=2 b=20 y", "p (adjusted)"] == "< .001"
    assert "adjusted for all 7 comparisons by Dunnett's test" in table.caption
    assert "INCOMPLETE" not in table.caption


def test_missing_runs_show_as_holes() -> None:
    holed = study(grid_plan(), {}, missing=6)
    table = cells_table(holed)
    assert table.readable.set_index("cell").loc["a=2 b=20 y†", "n"] == "4 of 5"
    assert "INCOMPLETE: of 40 planned runs 6 missing." in table.caption
    assert "INCOMPLETE" in effects_table(holed).caption


def test_a_study_without_any_finished_run_has_tables_of_holes(tmp_path: Path) -> None:
    empty = study(grid_plan(seeds=1), {}, missing=8)
    for table in (cells_table(empty), effects_table(empty)):
        table.write(tmp_path, "study")
    assert "0 of 1" in (tmp_path / "cells.md").read_text()


def test_effects_table_finds_the_planted_factors(complete: StudyRuns) -> None:
    table = effects_table(complete)
    assert list(table.numbers.index) == ["a", "b", "kind", "a x b", "a x kind", "b x kind"]
    # The two effects are opposite: they cancel in b, and in a x kind.
    assert list(table.numbers.index[table.numbers["p"] < 0.01]) == ["a", "kind", "a x b", "b x kind"]
    assert table.numbers["p"].max() > 0.01
    assert most_important(table.numbers) in ("a", "kind")
    nothing = effects_table(study(grid_plan(seeds=6), {}))
    assert (nothing.numbers["p"] > 0.01).all()
    assert most_important(nothing.numbers.assign(p=0.06)) is None


def test_a_table_of_effects_says_why_there_is_no_test() -> None:
    one = effects_table(study(grid_plan(seeds=1), {}))
    assert "a: one seed: nothing tells how much it varies." in one.caption
    assert (one.readable["p (Holm)"] == "–").all()


def test_the_same_study_gives_the_same_bytes(complete: StudyRuns, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        table = cells_table(complete)
        table.write(folder, "study")
        with style():
            save(heatmap.draw(*heatmap.panels(complete.plan, table, "a", "b"), "f1"), folder, "heatmap")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["cells.csv", "cells.md", "cells.tex", "heatmap.pdf", "heatmap.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("direction", ["max", "min"])
def test_heatmaps_mark_better_and_worse_by_the_metrics_direction(direction: str) -> None:
    runs = study(grid_plan(direction=direction), {"c220y": 0.2, "c120x": -0.2})
    assert heatmap.axes_of(runs.plan) == ("a", "b")
    panels = {panel.title: panel for panel in heatmap.panels(runs.plan, cells_table(runs), "a", "b")[0]}
    up, down = ("+", "−") if direction == "max" else ("−", "+")
    assert str(panels["y"].annotation.loc["2", "20"]).endswith(up)
    assert str(panels["x"].annotation.loc["1", "20"]).endswith(down)
    assert not str(panels["y"].annotation.loc["1", "10"]).endswith(("+", "−"))
    assert (panels["x"].baseline, panels["y"].baseline) == ((0, 0), None)


def course(runs: StudyRuns) -> Course:
    """Two epochs of the baseline and the cell beside it; three terms, the last without gradients."""
    drawn = drawn_cells(runs.plan)
    rows = [
        {"name": row["name"], "seed": row["seed"], "epoch": epoch, "best": epoch == 1, "dev/weighted_f1": 0.5,
         "train/loss/total": 4.0, "train/gradient/total": 1.0, "train/cosine/left/right": -0.5,
         **{f"train/loss/{term}": 1.0 + epoch for term in TERMS}, **{f"train/weight/{term}": 1.0 for term in TERMS},
         **{f"train/weighted/{term}": 1.0 + epoch for term in TERMS},
         "train/share/left": 0.5, "train/share/right": 0.25, "train/share/gate": 0.25,
         "train/gradient/left": 1.0, "train/gradient/right": 2.0,
         "train/gradient/left/fusion": 1.0, "train/gradient/right/fusion": 3.0, "train/gradient/right/context": 1.0}
        for _, row in runs.frame[runs.frame["cell"].isin(drawn)].iterrows()
        for epoch in range(2)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    return Course(list(frame["name"].unique()), frame, 6)


TERMS = ["left", "right", "gate"]


def test_curves_show_the_baseline_and_the_cells_at_its_place(complete: StudyRuns) -> None:
    assert drawn_cells(complete.plan) == ["c110x", "c110y"]
    seen = course(complete)
    long = curves.curves(seen, "dev/weighted_f1")
    assert set(long["series"]) == {*TERMS, "total", "dev/weighted_f1"}
    assert len(long) == 10 * 2 * 5
    with style():
        figure = curves.draw(long, seen, "dev/weighted_f1")
    assert len(figure.axes) == 4


def test_shares_are_means_over_seeds_in_the_order_of_the_terms(complete: StudyRuns) -> None:
    share = shares.shares(course(complete))
    assert list(share.columns) == TERMS
    assert share.to_numpy().tolist() == [[0.5, 0.25, 0.25]] * 4
    with style():
        assert len(shares.draw(course(complete)).axes) == 2


def test_matrices_are_symmetric_and_have_holes_where_nothing_was_measured(complete: StudyRuns) -> None:
    for table in matrices.cosines(course(complete)).values():
        assert table.to_numpy()[[0, 1], [1, 0]].tolist() == [-0.5, -0.5]
        assert table.isna().to_numpy().sum() == 7
    for table in matrices.module_shares(course(complete)).values():
        assert table["fusion"].tolist()[:2] == [0.25, 0.75]
        assert table.loc["right", "context"] == 1
        assert table.loc["gate"].isna().all()


def test_confusion_is_a_part_of_the_true_class_and_an_empty_class_has_none() -> None:
    counts = pd.DataFrame([[3, 1], [0, 0]], ["a", "b"], ["a", "b"])
    assert matrices.confusions({"cell": counts})["cell"].to_numpy().tolist() == [[0.75, 0.25], [0.0, 0.0]]


def test_confusion_of_several_labels_is_of_the_utterances_without_and_with_the_label() -> None:
    counts = pd.DataFrame([[80, 5, 10, 5], [100, 0, 0, 0]], ["a", "b"], list(COUNTS))
    parts = matrices.confusions({"cell": counts})["cell"].to_numpy()
    assert parts[0].tolist() == pytest.approx([80 / 85, 5 / 85, 10 / 15, 5 / 15])
    assert parts[1].tolist() == [1, 0, 0, 0]


def test_a_term_has_one_colour_in_every_panel(complete: StudyRuns) -> None:
    """Also where a cell lacks a term."""
    seen = course(complete)
    second = seen.frame["name"] == seen.names[1]
    lacking = seen.frame.filter(like="/right").columns
    seen.frame.loc[second, lacking] = float("nan")
    with style():
        figure = curves.draw(curves.curves(seen, "dev/weighted_f1"), seen, "dev/weighted_f1")
    colours = [
        {line.get_color() for line in figure.axes[panel].get_lines() if np.asarray(line.get_path().vertices).size}
        for panel in (0, 1)
    ]
    assert len(colours[0]) == 4
    assert colours[1] < colours[0]


def test_what_was_not_measured_is_not_drawn(complete: StudyRuns) -> None:
    seen = course(complete)
    bare = Course(seen.names, seen.frame.filter(regex="^(?!train/(gradient|cosine))"), 0)
    with style():
        assert terms.draw(bare, "train/gradient/", "length") is None
        assert matrices.draw(matrices.cosines(bare), "cosine", 0) is None
        figure = terms.draw(seen, "train/gradient/", "length")
    assert figure is not None
    assert "6 cells not shown" in str(figure.get_supxlabel())


def test_the_breakdown_is_that_of_the_chosen_epoch(complete: StudyRuns) -> None:
    table = breakdown_table(complete, course(complete))
    assert table.numbers["raw"].tolist() == [2.0] * 6
    assert table.readable["gradient"].tolist() == ["1", "2", "–"] * 2
    assert "6 cells are not shown" in table.caption


def test_classes_are_compared_each_with_its_own_baseline(complete: StudyRuns) -> None:
    score = complete.frame["test/weighted_f1"]
    frame = complete.frame.assign(**{"test/f1/rare": score - 0.3, "test/f1/common": 1 - score})
    numbers = classes_table(StudyRuns(complete.plan, frame)).numbers.set_index(["class", "cell"])
    assert numbers.loc[("rare", "c220y"), "difference"] == pytest.approx(0.2, abs=0.03)
    assert numbers.loc[("common", "c220y"), "difference"] == pytest.approx(-0.2, abs=0.03)
    assert numbers["p"].xs("c220y", level="cell").max() < 0.001
    assert len(numbers) == 16


def test_a_panel_without_runs_leaves_the_scale_to_the_others() -> None:
    holed = study(grid_plan(), {})
    holed.frame.loc[holed.frame["kind"] == "x", "test/weighted_f1"] = float("nan")
    panels, left_out = heatmap.panels(holed.plan, cells_table(holed), "a", "b")
    with style():
        figure = heatmap.draw(panels, left_out, "f1")
    low, high = figure.axes[1].collections[0].get_clim()
    assert 0.5 < low < high < 0.8


def test_a_number_for_the_text_is_the_number_of_the_table(complete: StudyRuns) -> None:
    table = cells_table(complete)
    text = latex.macros("grid", "cells", table.readable)
    row = table.readable.set_index("cell").loc["a=2 b=20 y"]
    assert rf"\csname result@grid/cells/a=2 b=20 y/mean\endcsname{{{row['mean']}}}" in text
    assert rf"\csname result@grid/cells/a=2 b=20 y/verdict\endcsname{{{row['verdict']}}}" in text
    names = [line.partition("endcsname")[0] for line in text.splitlines()]
    assert len(set(names)) == len(names) == 8 * 7


def test_two_rows_of_one_name_have_macros_of_their_own() -> None:
    text = latex.macros("s", "t", pd.DataFrame({"a": ["x", "x%"], "b": ["1", "[2]"]}))
    assert text.splitlines() == [
        r"\expandafter\gdef\csname result@s/t/x/b\endcsname{1}%",
        r"\expandafter\gdef\csname result@s/t/x (2)/b\endcsname{{[}2]}%",
    ]


def test_numbers_of_latex_are_aligned_and_texts_are_not() -> None:
    frame = pd.DataFrame({"name": ["a_b", "c"], "x": ["+1.25", "–"], "p": ["< .001", ".500"], "n": ["3", "12"]})
    text = latex.table(frame, "50 %", "tab:t")
    # A p-value without its 0 would get one from siunitx.
    assert r"\begin{tabular}{l N{+1.2} r N{2.0}}" in text
    assert r"a\_b & +1.25 & \textless{} .001 & 3 \\" in text
    assert r"c & {--} & .500 & 12 \\" in text
    assert r"\caption{50 \%} \label{tab:t}" in text


@pytest.mark.parametrize(
    ("rows", "kind", "environment", "parts"),
    [
        (5, Float.AUTO, "table", 1),
        (200, Float.AUTO, "longtable", 1),
        (5, Float.LONG, "longtable", 1),
        (5, Float.WIDE, "table*", 1),
        (200, Float.WIDE, "table*", 5),
        (200, Float.TABLE, "table", 5),
    ],
)
def test_a_table_of_latex_that_is_longer_than_a_page_is_divided(
    rows: int, kind: Float, environment: str, parts: int
) -> None:
    frame = pd.DataFrame({"name": [f"c{i}" for i in range(rows)], "x": ["+1.25"] * rows})
    text = latex.table(frame, "A caption.", "tab:t", kind)
    assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == parts
    assert text.count(r"\label{tab:t}") == 1
    assert text.count(r"\addtocounter{table}{-1}\caption[]{(continued)}") == parts - 1
    assert sum(line.startswith("c") for line in text.splitlines()) == rows


def test_the_forest_shows_what_is_furthest_from_0(complete: StudyRuns) -> None:
    drawn = forest.contrasts(cells_table(complete).numbers, complete.plan)
    assert list(drawn["difference"]) == sorted(drawn["difference"])
    assert len(drawn) == 7
    assert set(drawn["verdict"]) <= set(forest.MARK)


def test_of_many_heatmaps_those_nearest_to_the_baseline_are_drawn_without_numbers() -> None:
    names = {f"p.f{i}": f"f{i}" for i in range(7)}
    cells = tuple(
        PlannedCell("".join(levels), " ".join(levels), dict(zip(names, levels, strict=True)), {}, "d")
        for levels in itertools.product(*["0123456789"] * 2, *["01"] * 5)
    )
    plan = Plan("many", Metric("test/f1", "max"), cells[-1].cell_id, names, cells, (0,), "code")
    rows = {cell.cell_id: {**{names[p]: level for p, level in cell.levels.items()}, "mean": 0.5} for cell in cells}
    numbers = pd.DataFrame.from_dict(rows, orient="index").assign(verdict="undecided")
    panels, left_out = heatmap.panels(plan, Table("cells", numbers, numbers, ""), "f0", "f1")
    assert len(panels) + left_out == 32
    differing = [panel.title.count("0") for panel in panels]
    assert sorted(differing) == [0] + 5 * [1] + 10 * [2]
    with style():
        figure = heatmap.draw(panels[:5], left_out, "f1")
    assert not figure.axes[0].texts
    assert "16 panels not shown" in figure.get_supxlabel()
    assert "table of cells" in figure.get_supxlabel()


def test_of_many_pairs_of_factors_the_furthest_from_parallel_are_drawn() -> None:
    factors = [f"f{i}" for i in range(7)]
    pairs = list(itertools.combinations(factors, 2))
    ranges = pd.DataFrame({"range": np.arange(len(pairs), dtype=float)}, [f"{a} x {b}" for a, b in pairs])
    assert margins.strongest(ranges, factors) == pairs[-12:]
    assert margins.strongest(ranges, factors[:3]) == list(itertools.combinations(factors[:3], 2))
