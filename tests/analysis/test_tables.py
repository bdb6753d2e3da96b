"""Tables and figures of a study: the numbers, the holes, the files, the same bytes twice."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from analysis.figures import curves, heatmap
from analysis.figures.style import save, style
from analysis.runs import StudyRuns
from analysis.statistics.dunnett import contrasts
from analysis.tables import cells_table, effects_table
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
    assert table.readable.set_index("cell").loc["a=2 b=20 y", "n"] == "4 of 5"
    assert "INCOMPLETE: of 40 planned runs 6 missing." in table.caption
    assert "INCOMPLETE" in effects_table(holed).caption


def test_a_study_without_any_finished_run_has_tables_of_holes(tmp_path: Path) -> None:
    empty = study(grid_plan(seeds=1), {}, missing=8)
    for table in (cells_table(empty), effects_table(empty)):
        table.write(tmp_path)
    assert "0 of 1" in (tmp_path / "cells.md").read_text()


def test_effects_table_finds_the_planted_factors(complete: StudyRuns) -> None:
    table = effects_table(complete)
    assert list(table.numbers.index) == ["a", "b", "kind", "a x b", "a x kind", "b x kind"]
    # The two effects are opposite: they cancel in b, and in a x kind.
    assert list(table.numbers.index[table.numbers["p"] < 0.001]) == ["a", "kind", "a x b", "b x kind"]
    assert table.numbers["p"].max() > 0.01
    nothing = effects_table(study(grid_plan(), {}))
    assert (nothing.numbers["p"] > 0.01).all()


def test_the_same_study_gives_the_same_bytes(complete: StudyRuns, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        table = cells_table(complete)
        table.write(folder)
        with style():
            save(heatmap.draw(heatmap.panels(complete.plan, table, "a", "b"), "f1"), folder, "heatmap")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["cells.csv", "cells.md", "cells.tex", "heatmap.pdf", "heatmap.png"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("direction", ["max", "min"])
def test_heatmaps_mark_better_and_worse_by_the_metrics_direction(direction: str) -> None:
    runs = study(grid_plan(direction=direction), {"c220y": 0.2, "c120x": -0.2})
    assert heatmap.axes_of(runs.plan) == ("a", "b")
    panels = {panel.title: panel for panel in heatmap.panels(runs.plan, cells_table(runs), "a", "b")}
    up, down = ("+", "−") if direction == "max" else ("−", "+")
    assert str(panels["y"].annotation.loc["2", "20"]).endswith(up)
    assert str(panels["x"].annotation.loc["1", "20"]).endswith(down)
    assert not str(panels["y"].annotation.loc["1", "10"]).endswith(("+", "−"))
    assert (panels["x"].baseline, panels["y"].baseline) == ((0, 0), None)


def test_curves_show_the_baseline_and_the_cells_at_its_place(complete: StudyRuns) -> None:
    assert curves.drawn_cells(complete.plan) == ["c110x", "c110y"]
    runs = complete.frame[complete.frame["cell"].isin(["c110x", "c110y"])]
    history = pd.DataFrame(
        [
            {"run_id": run_id, "epoch": epoch, "train/weighted/classification": 1.0, "train/weighted/contrastive": 0.0,
             "train/loss/total": 1.0, "dev/weighted_f1": 0.5, "dev/accuracy": 0.5}
            for run_id in runs["run_id"]
            for epoch in range(3)
        ]
    )  # fmt: skip
    long = curves.curves(history, runs, "dev/weighted_f1")
    assert set(long["series"]) == {"classification", "contrastive", "total", "dev/weighted_f1"}
    assert len(long) == 10 * 3 * 4
    with style():
        figure = curves.draw(long, list(runs["name"].unique()), "dev/weighted_f1")
    assert len(figure.axes) == 4


def test_a_panel_without_runs_leaves_the_scale_to_the_others() -> None:
    holed = study(grid_plan(), {})
    holed.frame.loc[holed.frame["kind"] == "x", "test/weighted_f1"] = float("nan")
    panels = heatmap.panels(holed.plan, cells_table(holed), "a", "b")
    with style():
        figure = heatmap.draw(panels, "f1")
    low, high = figure.axes[1].collections[0].get_clim()
    assert 0.5 < low < high < 0.8


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_the_tables_compile(complete: StudyRuns, tmp_path: Path) -> None:
    for table in (cells_table(complete), effects_table(complete)):
        table.write(tmp_path)
    packages, body = r"\usepackage{booktabs,longtable}", r"\input{cells}\input{effects}"
    document = rf"\documentclass{{article}}{packages}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").exists()
