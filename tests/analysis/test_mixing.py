"""Cells that differ in training, selection or data are not compared by accident."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ablations.record import Plan
from ablations.study import load
from analysis.mixing import mixtures, refuse
from analysis.report import app
from analysis.runs import StudyError
from runners import planner
from tests.analysis.conftest import grid_plan
from tests.runners.conftest import Store, run

MIXED = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 2}}
design: cells
baseline: short
cells:
  short: {}
  long: {training.epochs: 3}
seeds: 2
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("mixed"), MIXED)


def reported(store: Store, out: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["--study", "tiny", "--out", str(out), "--tracking-uri", store.uri, *options])


def test_a_comparison_of_unequal_training_is_refused(store: Store, tmp_path: Path) -> None:
    done = reported(store, tmp_path / "out")
    assert done.exit_code == 2
    assert "training.epochs is 2 in the baseline, but 3: long" in done.stderr
    assert "--allow-mixed epochs" in done.stderr
    assert not (tmp_path / "out").exists()


def test_it_is_made_when_allowed_and_says_so(store: Store, tmp_path: Path) -> None:
    done = reported(store, tmp_path, "--allow-mixed", "epochs")
    assert done.exit_code == 0, done.output
    for name in ("cells.md", "effects.tex", "classes.md"):
        assert "MIXED: cells differ in training.epochs (2, 3), which is no factor" in (tmp_path / name).read_text()
    assert (
        '"command": "python -m analysis.report --study tiny --allow-mixed epochs"'
        in (tmp_path / "manifest.json").read_text()
    )


def test_an_unknown_setting_is_refused_with_those_there_are(store: Store, tmp_path: Path) -> None:
    done = reported(store, tmp_path / "out", "--allow-mixed", "epoch")
    assert done.exit_code == 2
    assert "'epoch' cannot be allowed to be mixed; what can be: epochs, select, data" in done.stderr


def unlike(plan: Plan, *, data: str = "d0", **training: object) -> Plan:
    first, *rest = plan.cells
    return replace(plan, cells=(*rest, replace(first, data_digest=data, config={"training": training})))


def test_other_modalities_of_the_same_utterances_are_the_same_data() -> None:
    plan = grid_plan()

    def seen(features: list[str], **other: object) -> Plan:
        cells = [replace(cell, config={"data": {"features": ["a"], **other}}) for cell in plan.cells[:-1]]
        return replace(
            plan, cells=(*cells, replace(plan.cells[-1], config={"data": {"features": features}}, data_digest="d1"))
        )

    assert mixtures(seen(["a", "b"])) == []
    assert [mixture.name for mixture in mixtures(seen(["a"]))] == ["data"]
    assert [mixture.name for mixture in mixtures(seen(["b"], seed=1))] == ["data"]


def test_equal_cells_are_no_mixture() -> None:
    assert mixtures(grid_plan()) == []


@pytest.mark.parametrize(
    ("plan", "name"),
    [
        (unlike(grid_plan(), data="d1"), "data"),
        (unlike(grid_plan(), epochs=3), "epochs"),
        (unlike(grid_plan(), select="accuracy"), "select"),
    ],
)
def test_each_setting_is_found_and_can_be_allowed(plan: Plan, name: str) -> None:
    mixed = mixtures(plan)
    assert [mixture.name for mixture in mixed] == [name]
    with pytest.raises(StudyError, match=f"--allow-mixed {name} "):
        refuse("grid", mixed, ())
    refuse("grid", mixed, [name])


@pytest.mark.parametrize("factor", ["training.epochs", "training"])
def test_what_the_study_varies_is_no_accident(factor: str) -> None:
    plan = unlike(grid_plan(), epochs=3)
    declared = replace(plan, factors={**plan.factors, factor: "varied"})
    for found in (mixtures(declared), mixtures(plan, declared)):
        refuse("grid", found, ())
        assert "which the study varies" in found[0].sentence()


@pytest.mark.parametrize("path", sorted(Path("ablations").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_matrices_here_compare_like_with_like(path: Path) -> None:
    if "data.path=FILE" in path.read_text():
        pytest.skip("the real data are not part of the repository")
    plan = planner.make_plan(load(path))
    refuse(plan.study, mixtures(plan), ())
