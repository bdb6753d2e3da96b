"""Several data sets: ranks against scipy, Demsar and scikit-posthocs; what can be compared; the command."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats
from typer.testing import CliRunner, Result

from ablations.record import Metric
from analysis.across import app
from analysis.blocks import blocks
from analysis.data_factors import data_factors, explained
from analysis.figures import critical_difference as figure
from analysis.figures.style import save, style
from analysis.report import app as write_report
from analysis.runs import Store as Reader
from analysis.runs import StudyError, StudyRuns
from analysis.side_by_side import pairs_table, side_by_side_table
from analysis.statistics.ranks import critical_difference, friedman, nemenyi, ranks
from tests.analysis.conftest import grid_plan, study
from tests.documentation import commands
from tests.runners.conftest import Store, run

# Critical values of the two-tailed Nemenyi test at .05 for 2 to 10 classifiers (Demsar 2006, table 5a).
Q = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]


def scores(sets: int, cells: int, digits: int = 3, effect: float = 0.0) -> pd.DataFrame:
    values = np.random.default_rng(sets * cells).normal(size=(sets, cells)) + effect * np.arange(cells)
    return pd.DataFrame(values.round(digits), [f"d{i}" for i in range(sets)], [f"c{i}" for i in range(cells)])


@pytest.mark.parametrize(("sets", "cells", "digits"), [(14, 4, 3), (5, 3, 3), (8, 5, 0), (3, 3, 0)])
def test_friedman_is_that_of_scipy_ties_included(sets: int, cells: int, digits: int) -> None:
    table = scores(sets, cells, digits)
    found, expected = friedman(ranks(table, "max")), stats.friedmanchisquare(*table.to_numpy().T)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


def test_friedman_of_two_cells_is_the_sign_test() -> None:
    table = scores(10, 2, effect=1.5)
    wins = int((table["c1"] > table["c0"]).sum())
    exact = stats.binomtest(wins, 10).pvalue
    assert friedman(ranks(table, "max")).p_permutation == pytest.approx(exact, abs=0.01)


def test_permutations_reach_the_least_p_where_all_data_sets_agree() -> None:
    found = friedman(pd.DataFrame([[1, 2, 3]] * 3))
    assert found.p_least == pytest.approx(1 / 36)
    assert found.p_permutation == pytest.approx(1 / 36, abs=0.004)
    assert friedman(pd.DataFrame([[1, 2, 3]])).p_permutation == 1


def test_permutations_reject_true_hypotheses_as_often_as_claimed() -> None:
    rng = np.random.default_rng(0)
    rejected = [
        friedman(pd.DataFrame(rng.random((4, 4)).argsort(1).argsort(1) + 1.0)).p_permutation < 0.05 for _ in range(150)
    ]
    assert np.mean(rejected) <= 0.1


def test_cells_that_are_tied_everywhere_have_no_test() -> None:
    found = friedman(ranks(pd.DataFrame(np.ones((4, 3))), "max"))
    assert np.isnan([found.statistic, found.p, found.p_permutation]).all()


@pytest.mark.parametrize("k", range(2, 11))
def test_critical_differences_are_those_of_the_published_table(k: int) -> None:
    published = Q[k - 2] * (k * (k + 1) / (6 * 14)) ** 0.5
    assert critical_difference(k, 14) == pytest.approx(published, rel=5e-4)


def test_nemenyi_is_that_of_scikit_posthocs_and_agrees_with_the_critical_difference() -> None:
    table = scores(14, 5, effect=0.5)
    ranked = ranks(table, "max")
    found = nemenyi(ranked)
    assert found.to_numpy() == pytest.approx(posthoc_nemenyi_friedman(table).to_numpy(), abs=1e-9)
    mean = ranked.mean().to_numpy()
    apart = np.abs(mean[:, None] - mean[None, :]) > critical_difference(5, 14)
    assert ((found < 0.05).to_numpy() == apart).all()
    assert apart.any()


def test_the_best_has_rank_1_and_ties_share() -> None:
    table = pd.DataFrame([[0.3, 0.9, 0.3]], columns=list("abc"))
    assert ranks(table, "max").iloc[0].to_list() == [2.5, 1, 2.5]
    assert ranks(table, "min").iloc[0].to_list() == [1.5, 3, 1.5]


@pytest.mark.parametrize(("sets", "cells"), [(2, 2), (14, 6), (5, 64)])
def test_the_diagram_joins_what_does_not_differ_and_is_the_same_twice(sets: int, cells: int, tmp_path: Path) -> None:
    ranked = ranks(scores(sets, cells, effect=0.5), "max")
    with style():
        drawn = figure.draw(ranked)
        save(drawn, tmp_path, "one")
        save(figure.draw(ranked), tmp_path, "two")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    labels = {text.get_text() for text in drawn.axes[0].texts}
    assert all(any(f" {name}" in label or f"{name} " in label for label in labels) for name in ranked)


def data_set(
    name: str, effect: Mapping[str, float], cells: Sequence[str] = (), metric: str = "test/weighted_f1"
) -> StudyRuns:
    """A study of its own data, of all cells or some."""
    whole = grid_plan(seeds=3)
    kept = tuple(replace(c, data_digest=name) for c in whole.cells if not cells or c.cell_id in cells)
    return study(replace(whole, study=name, cells=kept, metric=Metric(metric, "max")), effect)


def test_cells_are_matched_by_name_and_what_is_not_shared_is_named() -> None:
    found = blocks([data_set("A", {"c220y": 0.2}), data_set("B", {"c110y": 0.2}, ["c110x", "c110y", "c220y"])])
    assert found.means.shape == (2, 3)
    assert len(found.left_out) == 5
    ranked = ranks(found.means, "max").T
    assert ranked["A"]["a=2 b=20 y"] == 1
    assert ranked["B"]["a=1 b=10 y"] == 1


def test_cells_that_are_named_from_different_baselines_are_not_matched() -> None:
    def named(name: str, baseline: str) -> StudyRuns:
        made = data_set(name, {})
        cells = tuple(replace(c, name="baseline" if c.cell_id == baseline else c.name) for c in made.plan.cells)
        return study(replace(made.plan, cells=cells, baseline=baseline), {})

    assert "baseline" in blocks([named("A", "c110x"), named("B", "c110x")]).means
    with pytest.raises(StudyError, match=r"the studies have different baselines .*: 1 in A, 2 in B"):
        blocks([named("A", "c110x"), named("B", "c210x")])


def test_a_cell_without_a_result_on_one_data_set_is_left_out() -> None:
    holed = data_set("B", {})
    holed.frame.loc[holed.frame["cell"] == "c220y", holed.plan.metric.name] = float("nan")
    assert blocks([data_set("A", {}), holed]).left_out == ("a=2 b=20 y",)


def test_a_factor_of_the_data_makes_the_data_sets_of_one_study() -> None:
    plan = grid_plan(seeds=2)
    cells = tuple(
        replace(c, levels={"data.path": c.levels["p.a"], "p.b": c.levels["p.b"], "p.kind": c.levels["p.kind"]},
                data_digest=c.levels["p.a"])
        for c in plan.cells
    )  # fmt: skip
    plan = replace(plan, cells=cells, factors={"data.path": "path", "p.b": "b", "p.kind": "kind"})
    found = blocks([study(plan, {"c110y": 0.5, "c210y": 0.5})])
    assert list(found.means.index) == ["path=1", "path=2"]
    assert (found.means.idxmax(axis=1) == "b=10 kind=y").all()


AGAIN = replace(data_set("A", {}), plan=replace(data_set("A", {}).plan, study="B"))
REFUSED = {
    "one data set only: 'A'": [data_set("A", {})],
    "are on the same data": [data_set("A", {}), AGAIN],
    "are not compared on one metric:\n  A: test/weighted_f1 (max)\n  B: test/accuracy (max)": [
        data_set("A", {}), data_set("B", {}, metric="test/accuracy"),
    ],
    "(shared: a=1 b=10 x); matched by name, there are\n  A: a=1 b=10 x, a=1 b=10 y\n  B: a=1 b=10 x, a=2 b=20 y": [
        data_set("A", {}, ["c110x", "c110y"]), data_set("B", {}, ["c110x", "c220y"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_compared_is_refused_with_what_there_is(message: str) -> None:
    with pytest.raises(StudyError) as error:
        blocks(REFUSED[message])
    assert message in str(error.value)


def test_the_tables_say_what_so_few_data_sets_can_show(tmp_path: Path) -> None:
    found = blocks([data_set(name, {"c220y": 0.2, "c120x": -0.2}) for name in "ABC"])
    ranked = ranks(found.means, "max")
    table, pairs = side_by_side_table(found, ranked, ["B: INCOMPLETE"]), pairs_table(found, ranked)
    assert table.readable.loc[0, "cell"] == "a=2 b=20 y"
    assert table.readable["A"].to_list()[0].endswith("] (1)")
    assert table.numbers.loc["a=2 b=20 y", "mean rank"] == 1
    assert "WITH FEWER THAN 5 DATA SETS THESE TESTS CAN HARDLY REJECT" in table.caption
    assert "Data sets are the blocks, not seeds" in table.caption
    assert "B: INCOMPLETE" in table.caption
    assert pairs.numbers.to_numpy() == pytest.approx(pairs.numbers.to_numpy().T)
    for one in (table, pairs):
        one.write(tmp_path, "study")
    many = blocks([data_set(name, {}) for name in "ABCDE"])
    assert "HARDLY" not in side_by_side_table(many, ranks(many.means, "max")).caption


STUDIES = ["presets", "presets_mosi", "presets_meld"]
SMALL = """
study: {name}
base: {{data: {{dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0, seed: {seed}}}, training: {{epochs: 1}}}}
baseline: base
design: cells
cells: {{base: {{loss.encoder_weight: 0.05}}, {cell}: {{loss.encoder_weight: 0.5}}}}
seeds: 1
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("across")
    made = run(folder, SMALL.format(name=STUDIES[0], seed=0, cell="strong"))
    for seed, name in enumerate(STUDIES[1:], 1):
        run(folder, SMALL.format(name=name, seed=seed, cell="strong"), made.uri)
    run(folder, SMALL.format(name="odd", seed=3, cell="other"), made.uri)
    return made


def across(made: Store, studies: str, out: Path) -> Result:
    return CliRunner().invoke(app, ["--studies", studies, "--out", str(out), "--tracking-uri", made.uri])


def test_the_command_of_the_documentation_writes_tables_diagram_and_manifest(several: Store, tmp_path: Path) -> None:
    (command,) = (line for line in commands(Path("docs/results.md")) if "analysis.across" in line)
    options = shlex.split(command)[3:]
    options[options.index("--out") + 1] = str(tmp_path / "out")
    result = CliRunner().invoke(app, [*options, "--tracking-uri", several.uri])
    assert result.exit_code == 0, result.output
    tables = {f"{name}.{suffix}" for name in ("across", "pairs") for suffix in ("csv", "md", "tex")}
    expected = tables | {"critical_difference.pdf", "critical_difference.png", "manifest.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert all(name in result.stdout for name in expected)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [one["study"] for one in manifest["studies"]] == STUDIES
    assert all(row["run_id"] for one in manifest["studies"] for row in one["runs"])


@pytest.mark.parametrize(
    ("studies", "message"),
    [
        ("presets,odd", "(shared: base); matched by name, there are\n  presets: base, strong\n  odd: base, other"),
        (
            "presets,lost",
            "no study 'lost' in the store; the studies there are: odd, presets, presets_meld, presets_mosi",
        ),
        ("presets", "one data set only: 'presets'"),
        (" , ", "--studies names none"),
    ],
)
def test_the_command_refuses_what_it_cannot_compare(several: Store, studies: str, message: str, tmp_path: Path) -> None:
    result = across(several, studies, tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


TASK = """
study: lines
task: tests.model.tasks:Regression
base: {training: {epochs: 1}}
factors:
  model.examples: [30, 40, 50]
  model.hidden: [4, 8]
seeds: 2
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("lines"), TASK)


def test_a_setting_of_a_users_task_that_chooses_the_data_makes_the_data_sets(lines: Store, tmp_path: Path) -> None:
    result = across(lines, "lines", tmp_path / "out")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out" / "across.csv")
    assert table["cell"].sort_values().to_list() == ["hidden=4", "hidden=8"]
    assert {f"examples={n}: rank" for n in (30, 40, 50)} <= set(table)
    report = ["--study", "lines", "--out", str(tmp_path / "report"), "--tracking-uri", lines.uri]
    assert CliRunner().invoke(write_report, report).exit_code == 0


def test_the_factors_that_are_data_sets_can_be_named(lines: Store, tmp_path: Path) -> None:
    runs = Reader(lines.uri).load("lines")
    assert data_factors(runs.plan) == ["model.examples"]
    assert list(blocks([runs], ["examples"]).means) == list(blocks([runs], ["model.examples"]).means)
    with pytest.raises(StudyError, match=r"has no factor 'exampels'; its factors: model.examples, model.hidden"):
        blocks([runs], ["exampels"])
    wrong = CliRunner().invoke(
        app, ["--studies", "lines", "--data", "set", "--out", str(tmp_path), "--tracking-uri", lines.uri]
    )
    assert (wrong.exit_code, "has no factor 'set'" in wrong.stderr) == (2, True)


def test_where_several_factors_change_at_once_those_that_tell_the_data_choose_them() -> None:
    plan = grid_plan()
    tied = [cell for cell in plan.cells if 10 * int(cell.levels["p.a"]) == int(cell.levels["p.b"])]
    cells = tuple(replace(cell, data_digest=cell.levels["p.a"]) for cell in tied)
    assert data_factors(replace(plan, cells=cells, baseline=cells[0].cell_id)) == ["p.a", "p.b"]
    assert data_factors(plan) == []
    assert not explained(plan)
