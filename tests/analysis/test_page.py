"""The page of a report: what it says is what the tables say, all of it, escaped, and it asks nothing of anybody."""

import json
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from typer.testing import CliRunner

from ablations.record import Metric, Outcome, Plan, PlannedCell
from analysis import manifest, report
from analysis.choice import choice_table
from analysis.classes import classes_table
from analysis.effect_sizes import sizes_table
from analysis.factors import effects_table, margins_table
from analysis.page import page, provenance, summary
from analysis.planned_runs import MISSING
from analysis.runs import Store, StudyRuns
from analysis.statistics.effects import MAIN
from analysis.tables import Table, cells_table
from tests.analysis.conftest import grid_plan, study
from tests.runners.conftest import Store as Made
from tests.runners.conftest import run

VOID = {"meta", "link", "br", "wbr", "input", "img", "hr"}
UI = "http://127.0.0.1:5000/#/experiments/7/runs/"


class Read(HTMLParser):
    """Links, tables by the id of their heading, all text, and whether every element is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tables: dict[str, list[list[tuple[str, str]]]] = {}
        self.tags: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.heading = ""
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.links += [str(named[name]) for name in ("href", "src", "action", "data") if name in named]
        self.ids += [str(named["id"])] if "id" in named else []
        if tag in ("h2", "h3"):
            self.heading = str(named.get("id"))
        if tag == "tr":
            self.tables.setdefault(self.heading, []).append([])
        if tag in ("td", "th") and self.tables.get(self.heading):
            self.tables[self.heading][-1].append((str(named.get("data-value", "")), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _: object) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.words.append(data.strip())
        if {"td", "th"} & set(self.open) and self.tables.get(self.heading):
            value, before = self.tables[self.heading][-1][-1]
            self.tables[self.heading][-1][-1] = value, before + data


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return run(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def written(store: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    done = CliRunner().invoke(report.app, ["--study", "tiny", "--out", str(folder), "--tracking-uri", store.uri])
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].endswith("report.html")
    return folder


def without_factors(plan: Plan, cells: int) -> Plan:
    kept = tuple(replace(cell, levels={}) for cell in plan.cells[:cells])
    return replace(plan, cells=kept, baseline=kept[0].cell_id, factors={})


def tables_of(runs: StudyRuns) -> dict[str, Table]:
    made = [cells_table(runs), effects_table(runs), classes_table(runs), choice_table(runs)]
    made += [sizes_table(runs)] if len(runs.plan.cells) > 1 else []
    made += [margins_table(runs, made[1])] if runs.plan.factors else []
    nothing = pd.DataFrame(columns=["cell"])
    return {table.name: table for table in [*made, Table("variance", nothing, nothing, "Nothing.")]}


def page_of(runs: StudyRuns, folder: Path) -> Read:
    """The page of runs that are in no store."""
    shown = page.Report(cast(Store, SimpleNamespace(confusions=lambda *_: {})), runs, None, tables_of(runs), None)
    document: Mapping[str, Any] = {"command": "report", "ui": UI} | manifest.manifest(runs, None, [])
    return Read(page.write(shown, folder, document, []))


def test_nothing_is_loaded_and_nothing_is_linked_but_files_anchors_and_runs(store: Made, written: Path) -> None:
    read = Read(written / "report.html")
    names = {path.name for path in written.iterdir()}
    experiment = Store(store.uri).studies["tiny"]
    rest = [link for link in read.links if link not in names]
    runs = [link for link in rest if not link.startswith("#")]
    assert {link.removeprefix("#") for link in rest if link.startswith("#")} <= set(read.ids)
    assert len(runs) == 8
    assert all(link.startswith(f"http://127.0.0.1:5000/#/experiments/{experiment}/runs/") for link in runs)
    assert not {"img", "link", "iframe", "object", "embed", "base", "form"} & set(read.tags)
    text = (written / "report.html").read_text("utf-8")
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text
    assert len(read.ids) == len(set(read.ids))


def test_every_planned_run_is_listed_with_its_outcome_and_its_link(written: Path) -> None:
    read = Read(written / "report.html")
    document = json.loads((written / "manifest.json").read_text())
    rows = read.tables["runs"][1:]
    assert len(rows) == document["planned"]
    for row, there in zip(rows, document["runs"], strict=True):
        assert (row[1][1], row[2][1], row[4][1]) == (str(there["seed"]), there["outcome"], there["run_id"][:8])
        assert [link for link in read.links if link.endswith(f"/runs/{there['run_id']}")] != []


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("cells", {2: "mean", 3: "low", 4: "difference", 5: "difference_low", 6: "p"}),
        ("effects", {3: "range", 4: "range_low", 5: "p_raw", 6: "p"}),
        ("sizes", {2: "difference", 3: "low", 4: "dz", 5: "dz_low", 6: "better", 7: "better_low"}),
        ("margins", {1: "seeds", 2: "mean", 3: "low", 4: "difference", 5: "difference_low", 6: "p"}),
        ("classes", {2: "mean", 3: "low", 4: "difference", 5: "difference_low", 6: "p"}),
        ("breakdown", {2: "raw", 3: "weight", 4: "weighted", 5: "share", 6: "gradient"}),
        ("variance", {3: "estimate", 4: "seeds", 5: "dialogues", 6: "both", 7: "low_seeds", 8: "low_both"}),
    ],
)
def test_what_is_sorted_by_is_the_number_of_the_csv_file(written: Path, table: str, columns: dict[int, str]) -> None:
    rows = Read(written / "report.html").tables[table][1:]
    numbers = pd.read_csv(written / f"{table}.csv", dtype=str, keep_default_na=False)
    assert len(rows) == len(numbers) > 0
    for place, column in columns.items():
        assert [row[place][0] for row in rows] == numbers[column].tolist()
    shown = (written / f"{table}.md").read_text().splitlines()[2 : 2 + len(rows)]
    for row, line in zip(rows, shown, strict=True):
        assert [text for _, text in row] == [text.strip() for text in line.strip("|").split("|")]


def test_a_choice_is_sorted_by_the_numbers_of_the_rows_that_it_shows(written: Path) -> None:
    rows = Read(written / "report.html").tables["choice"][1:]
    numbers = pd.read_csv(written / "choice.csv", dtype=str, keep_default_na=False).set_index("name")
    for row in rows:
        name = row[0][1].removesuffix(" (chosen)").removesuffix(" (baseline)").removesuffix(" (chosen, baseline)")
        assert row[4][0] == numbers.loc[name, "mean"]


def test_the_manifest_has_the_hash_of_the_page(written: Path) -> None:
    hashes = json.loads((written / "manifest.json").read_text())["files"]
    assert hashes["report.html"] == manifest.file_hash(written / "report.html")


def test_the_summary_says_what_the_tables_say(tmp_path: Path) -> None:
    plan = grid_plan()
    plan = replace(plan, metric=replace(plan.metric, sesoi=0.04))
    runs = study(plan, {"c220y": 0.2, "c120x": -0.2})
    tables = tables_of(runs)
    numbers, effects = tables["cells"].numbers, tables["effects"].numbers
    text = page_of(runs, tmp_path).text
    count = numbers["verdict"].value_counts()
    assert summary.counts(tables["cells"]) == {v: count.get(v, 0) for v in summary.VERDICTS}
    assert (count["better"], count["worse"], count["equivalent"]) == (1, 1, 5)
    assert "Against it are 1 better, 1 worse, 5 equivalent and 0 undecided." in text
    best = numbers.loc["c220y"]
    ends = f"[{best['difference_low']:+.3f}, {best['difference_high']:+.3f}]"
    assert f"{best['name']}, {best['mean']:.3f}: {best['difference']:+.3f} to the baseline, joint 95 %" in text
    assert f"interval {ends}, better." in text
    main = effects[(effects["kind"] == MAIN) & (effects["p"] < 0.05)]
    most = str(main["range"].idxmax())
    row = main.loc[most]
    size = f"range of means {row['range']:.3f} [{row['range_low']:.3f}, {row['range_high']:.3f}]"
    assert f"Of the factors that are shown to matter, {most} (p.{most}) has the largest effect: {size}" in text
    assert ", adjusted for 3 main effects" in text
    assert "The smallest effect of interest is ±0.04." in text
    assert "INCOMPLETE" not in text


def test_where_less_is_better_the_least_is_the_best(tmp_path: Path) -> None:
    text = page_of(study(grid_plan(direction="min"), {"c220y": 0.2, "c120x": -0.2}), tmp_path).text
    assert "smaller is better" in text
    assert "The best mean is that of a=1 b=20 x," in text


def test_what_is_missing_is_said_and_shown(tmp_path: Path) -> None:
    read = page_of(study(grid_plan(), {}, missing=3), tmp_path)
    assert "37 of 40 runs finished" in read.text
    assert "INCOMPLETE: of 40 planned runs 3 missing." in read.text
    rows = read.tables["runs"][1:]
    assert [row[2][1] for row in rows].count(MISSING) == 3
    assert [row[3] for row in rows[-3:]] == [("", "–")] * 3


def test_a_diverged_run_is_listed_without_a_score(tmp_path: Path) -> None:
    runs = study(grid_plan(), {})
    runs.frame.loc[0, ["outcome", runs.plan.metric.name]] = str(Outcome.DIVERGED), float("nan")
    row = page_of(runs, tmp_path).tables["runs"][1]
    assert (row[2][1], row[3]) == ("diverged", ("", "–"))


def test_names_are_text_whatever_they_are(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7 * 7 }}"
    plan = grid_plan(seeds=3)
    cells = tuple(
        replace(
            cell, name=f"{evil}{i}", levels={**cell.levels, "p.kind": evil if cell.levels["p.kind"] == "x" else "y"}
        )
        for i, cell in enumerate(plan.cells)
    )
    factors = {"p.a": "a", "p.b": "b", "p.kind": "<b>kind</b>"}
    runs = study(replace(plan, cells=cells, factors=factors, study="<i>&amp;"), {})
    read = page_of(runs, tmp_path)
    assert read.tags.count("script") == 1
    assert not {"img", "b"} & set(read.tags)
    assert read.tables["cells"][1][0][1] == f"{evil}0 (baseline)"
    assert "Study <i>&amp;" in read.text
    assert all(name.replace("-", "").isalnum() for name in read.ids)


def test_one_cell_is_compared_with_nothing(tmp_path: Path) -> None:
    plan = grid_plan()
    read = page_of(study(without_factors(plan, 1), {}), tmp_path)
    assert "1 cell, 5 seeds each, 5 of 5 runs finished" in read.text
    assert not {"rules", "forest", "heatmap", "sizes"} & set(read.ids)
    assert len(read.tables["cells"]) == 2


def test_one_seed_has_no_intervals(tmp_path: Path) -> None:
    read = page_of(study(grid_plan(seeds=1), {"c220y": 0.2}), tmp_path)
    assert "8 cells, 1 seed each" in read.text
    assert "no interval" in read.text
    assert "forest" not in read.ids
    assert "heatmap" in read.ids
    assert "nan" not in read.text.lower().split()


def test_without_a_result_there_is_a_page_that_says_so(tmp_path: Path) -> None:
    read = page_of(study(grid_plan(seeds=2), {}, missing=16), tmp_path)
    assert "No run has a result yet." in read.text
    assert "0 of 16 runs finished" in read.text


def test_cells_without_factors_have_neither_heatmaps_nor_margins(tmp_path: Path) -> None:
    read = page_of(study(without_factors(grid_plan(), 8), {"c220y": 0.2}), tmp_path)
    assert not {"heatmap", "margins", "margins-chart", "interactions"} & set(read.ids)
    assert "The cells differ: range of means" in read.text


def test_five_hundred_cells_fit(tmp_path: Path) -> None:
    cells = tuple(
        PlannedCell(f"c{a}-{b}", f"a={a} b={b}", {"p.a": str(a), "p.b": str(b)}, {}, "d")
        for a in range(25)
        for b in range(20)
    )
    plan = Plan("large", Metric("test/weighted_f1", "max"), "c0-0", {"p.a": "a", "p.b": "b"}, cells, (0, 1), "code")
    read = page_of(study(plan, {}), tmp_path)
    assert len(read.tables["cells"]) == 501
    assert len(read.tables["runs"]) == 1001
    assert (tmp_path / "report.html").stat().st_size < 1_500_000


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sqlite:////x/mlflow.db", "http://127.0.0.1:5000/#/experiments/3/runs/"),
        ("https://me:pass@host:8080/base/", "https://host:8080/base/#/experiments/3/runs/"),
        ("postgresql://me:pass@host/db", "http://127.0.0.1:5000/#/experiments/3/runs/"),
    ],
)
def test_runs_are_linked_to_their_server_without_passwords(uri: str, address: str) -> None:
    store = cast(Store, SimpleNamespace(uri=uri, studies={"loss": "3"}))
    assert provenance.runs_address(store, "loss") == address
