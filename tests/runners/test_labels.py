"""How runs are shown in MLflow: what varies is a param of all runs of a study; names and tags follow the plan."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from ablations.record import Tag
from ablations.settings import applied, defaults, resolved
from ablations.study import load
from runners import note, planner
from runners.varying import params, varying
from tests.runners.conftest import SMOKE, run

BASE = """study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 1}}
seeds: 1
"""
ONE = BASE + "factors: {loss.encoder_weight: [0.05, 0.5]}\n"
FOCAL = "loss.classification: [{kind: nll}, {kind: focal}, {kind: focal, gamma: 5}]"


def varies(folder: Path, text: str) -> set[str]:
    (folder / "m.yaml").write_text(text)
    return varying(planner.make_plan(load(folder / "m.yaml")))


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("factors: {loss.encoder_weight: [0.05, 0.5]}", {"loss.encoder_weight"}),
        (f"factors: {{{FOCAL}}}", {"loss.classification"}),
        (
            "factors: {loss.encoder_weight: [0.05, 0.5], loss.contrastive.weight: [0.2, 0.4]}\n"
            "tied: [[loss.encoder_weight, loss.contrastive.weight]]",
            {"loss.encoder_weight", "loss.contrastive.weight"},
        ),
        (
            "design: leave_one_out\nparts: [contrast, reconstruction, graph]",
            {"loss.contrastive", "loss.encoder_weight", "model.graph.past", "model.graph.future"},
        ),
        (
            "design: cells\nbaseline: a\ncells: {a: {}, b: {loss.encoder_weight: 0.5}, c: {loss.label_smoothing: 0.1}}",
            {"loss.encoder_weight", "loss.label_smoothing"},
        ),
        ("design: cells\nbaseline: a\ncells: {a: {}, b: {model.context: {kind: gru}}}", {"model.context"}),
        ("design: cells\nbaseline: a\ncells: {a: {}}", set()),
    ],
)
def test_what_varies_is_the_factors_or_the_settings_in_which_cells_differ(
    tmp_path: Path, design: str, expected: set[str]
) -> None:
    assert varies(tmp_path, f"{BASE}{design}\n") == expected


def test_a_param_tells_apart_what_differs_and_only_by_the_configuration() -> None:
    focal = resolved(applied(defaults(), {"loss.classification": {"kind": "focal", "gamma": 5}}))
    paths = {"loss.classification", "loss.classification.gamma", "data.features", "loss.gate_weight", "loss.nothing"}
    assert params(focal, paths) == {
        "loss.classification": "focal(gamma=5.0)",
        "loss.classification.gamma": "5.0",
        "data.features": "audio+text+visual",
        "loss.gate_weight": "–",
        "loss.nothing": "–",
    }
    plain = resolved(applied(defaults(), {"loss.classification": {"kind": "focal"}}))
    assert params(plain, {"loss.classification"}) == {"loss.classification": "focal"}
    assert params(resolved(defaults()), {"loss.classification.gamma"}) == {"loss.classification.gamma": "–"}


def runs_of(uri: str) -> dict[str, Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    return {str(run.info.run_name): run for run in client.search_runs([experiment.experiment_id])}


def test_what_a_later_plan_varies_is_a_param_of_the_runs_before(tmp_path: Path) -> None:
    first = run(tmp_path, ONE)
    assert runs_of(first.uri)["enc=0.5 s0"].data.params == {"loss.encoder_weight": "0.5", "seed": "0"}
    run(tmp_path, ONE.replace("factors: {", f"factors: {{{FOCAL}, "), uri=first.uri)
    found = runs_of(first.uri)
    assert len(found) == 1 + 6
    assert found["enc=0.5 s0"].data.params == {
        "loss.encoder_weight": "0.5",
        "loss.classification": "nll",
        "seed": "0",
    }
    run(tmp_path, ONE.replace("seeds: 1", "seeds: 2"), uri=first.uri)  # what was varied once stays a param
    assert runs_of(first.uri)["baseline s1"].data.params["loss.classification"] == "nll"


def test_runs_are_named_by_the_plan_as_it_is_now(tmp_path: Path) -> None:
    first = run(tmp_path, ONE)
    run(tmp_path, ONE.replace("0.05, 0.5", "0.1, 0.5") + "baseline: {loss.encoder_weight: 0.5}\n", uri=first.uri)
    found = {
        name: tuple(stored.data.tags.get(tag) for tag in (Tag.NAME, Tag.BASELINE, Tag.PLANNED))
        for name, stored in runs_of(first.uri).items()
    }
    gone = next(cell.cell_id for cell in first.plan.cells if cell.cell_id == first.plan.baseline)
    assert found == {
        "study tiny": (None, None, None),
        "baseline s0": ("baseline", "yes", "yes"),
        "enc=0.1 s0": ("enc=0.1", "no", "yes"),
        f"{gone} s0": (gone, "no", "no"),
    }


def test_a_note_is_never_longer_than_a_tag_and_keeps_what_matters(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE)
    plan = planner.make_plan(load(tmp_path / "m.yaml"))
    long = note.note(plan, "# a comment\n" * 1000, ["loss.encoder_weight"])
    assert len(long) <= note.MOST
    assert "the whole file is matrix.yaml" in long
    table = "| cell | mean |\n" * 1000
    both = note.with_report(long, table)
    assert len(both) <= note.MOST
    assert "report/cells.md" in both
    assert both.startswith("Study **tiny**: 4 cells x 2 seeds = 8 runs")
    assert "`ablation.name`" in both
    again = note.note(plan, SMOKE, ["loss.encoder_weight"], note.with_report(long, "| one | table |\n"))
    assert again.index("| one | table |") < again.index("## In this UI") < again.index("study: tiny")
