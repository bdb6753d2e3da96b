"""The space of a search, and what every mistake in its form says."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.problems import MatrixError
from ablations.search import Search
from ablations.study import Study, load

ROOT = Path(__file__).parents[2]
SEARCH = (
    (ROOT / "ablations" / "search.yaml").read_text().replace("# yaml-language-server: $schema=matrix.schema.json\n", "")
)
ENC, CL, GATE = "loss.encoder_weight", "loss.contrastive.weight", "loss.gate_weight"


def read(folder: Path, text: str, seeds: list[int] | None = None) -> Study:
    path = folder / "m.yaml"
    path.write_text(text)
    return load(path, (), seeds)


def search_of(study: Study) -> Search:
    assert study.search is not None
    return study.search


def refused(folder: Path, text: str, seeds: list[int] | None = None) -> str:
    with pytest.raises(MatrixError) as caught:
        read(folder, text, seeds)
    return str(caught.value).replace(f"{folder}/", "")


SETTING = st.tuples(st.floats(1e-3, 1), st.sampled_from([0, 0.05, 0.1, 0.2, 0.5]), st.floats(1e-3, 0.1))


@given(SETTING)
def test_a_point_is_found_again_from_its_configuration_and_from_what_is_stored(values: tuple[float, ...]) -> None:
    search = search_of(load(ROOT / "ablations" / "search.yaml"))
    point = dict(zip((ENC, CL, GATE), values, strict=True))
    cell = search.cell(point)
    assert search.point(cell.config) == point
    assert search.stored(cell.point) == point
    assert (cell.config.loss.encoder_weight, cell.config.loss.contrastive.weight) == values[:2]


def test_what_is_not_in_the_space_is_no_point() -> None:
    search = search_of(load(ROOT / "ablations" / "search.yaml"))
    inside = {ENC: 0.5, CL: 0.1, GATE: 0.01}
    for path, value in ((ENC, 1.5), (CL, 0.15), (GATE, 0.2)):
        assert search.stored(json.dumps(inside | {path: value})) is None
    assert search.stored(json.dumps(inside | {ENC: -1})) is None
    other = search.cell(inside).config
    assert search.point(other.model_copy(update={"training": other.training.model_copy(update={"epochs": 3})})) is None


def test_a_trial_is_named_by_what_differs_from_the_baseline() -> None:
    search = search_of(load(ROOT / "ablations" / "search.yaml"))
    points = [{ENC: 0.05, CL: 0.2, GATE: 0.01}, {ENC: 0.05, CL: 0.1, GATE: 0.01}, {ENC: 0.3, CL: 0.2, GATE: 0.002}]
    assert [search.cell(point).name for point in points] == ["baseline", "cl=0.1", "enc=0.3 gate=0.002"]


def test_numbers_of_ranges_are_rounded_in_names_alone() -> None:
    cell = search_of(load(ROOT / "ablations" / "search.yaml")).cell({ENC: 0.0312345678, CL: 0.1, GATE: 0.002})
    assert cell.name == "enc=0.0312 cl=0.1 gate=0.002"
    assert cell.config.loss.encoder_weight == 0.0312345678


def test_a_level_that_is_a_mapping_is_a_level_however_it_is_written(tmp_path: Path) -> None:
    text = SEARCH.replace(f"{CL}: [0, 0.05, 0.1, 0.2, 0.5]", "loss.classification: [{kind: nll}, {kind: focal}]")
    search = search_of(read(tmp_path, text))
    stored = {ENC: 0.5, "loss.classification": {"kind": "focal", "alpha": 1, "gamma": 2}, GATE: 0.01}
    assert search.stored(json.dumps(stored)) == stored | {"loss.classification": {"kind": "focal"}}


def test_before_the_winner_is_known_the_baseline_is_the_only_cell() -> None:
    study = load(ROOT / "ablations" / "search.yaml")
    assert study.cells == (study.baseline,)
    assert (study.baseline.name, study.baseline.levels, study.factors()) == ("baseline", {}, {})
    assert study.seeds == (0, 1, 2, 3, 4)
    assert len(search_of(study).corners()) == 2 * 5 * 2


METHOD = "method: bayesian, trials: 30"
RANGE = "{low: 1e-3, high: 1, log: true}"
MISTAKES = {
    "low not below high": (RANGE, "{low: 1, high: 1}", "m.yaml: line 12: factors.loss.encoder_weight: low (1) must be smaller than high (1)"),
    "log of nothing": (RANGE, "{low: 0, high: 1, log: true}", "m.yaml: line 12: factors.loss.encoder_weight: low (0) must be larger than 0 where log is true"),
    "no high": (RANGE, "{low: 0}", "m.yaml: line 12: the key 'factors.loss.encoder_weight.high' is missing"),
    "unknown key of a range": (RANGE, "{low: 0, hihg: 1}", "m.yaml: line 12: unknown key 'factors.loss.encoder_weight.hihg'; did you mean 'high'?"),
    "an end is refused": (RANGE, "{low: -1, high: 1}", "m.yaml: line 12: loss.encoder_weight: input should be greater than or equal to 0, got -1.0"),
    "an end is no number": (RANGE, "{low: a, high: 1}", "m.yaml: line 12: factors.loss.encoder_weight.low: input should be a valid number, got 'a'"),
    "an end is infinite": (RANGE, "{low: 0, high: .inf}", "m.yaml: line 12: factors.loss.encoder_weight.high: input should be a finite number, got inf"),
    "whole numbers": (f"{GATE}: {{low: 1e-3, high: 0.1, log: true}}", "training.epochs: {low: 1, high: 5}", "m.yaml: line 14: training.epochs: input should be a valid integer, got 1.0"),
    "a level is refused": ("[0, 0.05,", "[0, -1,", "m.yaml: line 13: loss.contrastive.weight: input should be greater than or equal to 0, got -1"),
    "unknown factor": (ENC, "loss.encoder_wieght", "m.yaml: line 12: unknown key 'loss.encoder_wieght'; did you mean 'encoder_weight'?"),
    "a grid of ranges": (METHOD, "method: grid", "m.yaml: line 12: factor 'loss.encoder_weight' is a range; method 'grid' needs a list of levels"),
    "a grid with trials": (METHOD, "method: grid, trials: 3", "m.yaml: line 10: search: method 'grid' has no 'trials'"),
    "no trials": (METHOD, "method: bayesian", "m.yaml: line 10: search: method 'bayesian' needs 'trials'"),
    "one trial": (METHOD, "method: bayesian, trials: 1", "m.yaml: line 10: search.trials: input should be greater than or equal to 2, got 1"),
    "unknown method": (METHOD, "method: random", "m.yaml: line 10: search.method: input should be 'grid' or 'bayesian', got 'random'"),
    "unknown key": (METHOD, "method: bayesian, trails: 30", "m.yaml: line 10: unknown key 'search.trails'; did you mean 'trials'?"),
    "chosen on test": ("dev/weighted_f1", "test/weighted_f1", "m.yaml: line 10: search.metric: no metric 'test/weighted_f1'; there are dev/weighted_f1, dev/macro_f1, dev/accuracy"),
    "no search seeds": (", seeds: [100, 101]", "", "m.yaml: line 10: the key 'search.seeds' is missing"),
    "a search seed twice": ("[100, 101]", "[100, 100]", "m.yaml: line 10: search: seeds: one stands twice in [100, 100]"),
    "a seed of both stages": ("[100, 101]", "[100, 4]", "m.yaml: line 10: search.seeds: 4 is also one of 'seeds', which must be fresh"),
    "no search": (f"search: {{{METHOD}, metric: dev/weighted_f1, seeds: [100, 101]}}\n", "", "design 'search' needs 'search'"),
    "another design": ("design: search", "design: grid", "design 'grid' has no 'search'"),
    "search over data": (GATE, "data.signal", "m.yaml: line 14: factor 'data.signal': scores on other data cannot be compared"),
    "baseline out of the space": ("base: {model", "base: {loss: {gate_weight: 0.5}, model", "m.yaml: line 7: the baseline (gate=0.5,hierarchical-"),
    "baseline with another setting": ("baseline: base", "baseline: {training.epochs: 3}", "is not in the space of the search; each of its settings must be a level of its factor, or within its range"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_the_way_out(tmp_path: Path, mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    assert old in SEARCH
    assert message in refused(tmp_path, SEARCH.replace(old, new, 1))


def test_seeds_of_the_command_line_must_be_fresh_too(tmp_path: Path) -> None:
    assert "101 is also one of 'seeds', which must be fresh" in refused(tmp_path, SEARCH, [101])


def test_lists_alone_are_a_grid(tmp_path: Path) -> None:
    lists = SEARCH.replace(RANGE, "[0.05, 0.1]").replace("{low: 1e-3, high: 0.1, log: true}", "[0.01, 0.02]")
    message = "m.yaml: line 10: method 'bayesian' needs a range; lists alone are a 'grid'"
    assert message in refused(tmp_path, lists)
    assert len(search_of(read(tmp_path, lists.replace(METHOD, "method: grid"))).corners()) == 2 * 5 * 2


def test_ranges_belong_to_a_search(tmp_path: Path) -> None:
    text = "study: s\nfactors:\n  loss.encoder_weight: {low: 0, high: 1}\nseeds: 1\n"
    message = "m.yaml: line 3: factor 'loss.encoder_weight' is a range; design 'grid' needs a list of levels"
    assert refused(tmp_path, text) == message


def test_ends_that_contradict_are_named_with_the_point(tmp_path: Path) -> None:
    text = SEARCH.replace(
        f"{CL}: [0, 0.05, 0.1, 0.2, 0.5]", "model.fusion.latent: [32, 6]\n  model.context.heads: [4, 8]"
    )
    message = refused(tmp_path, text)
    assert "context.heads (8) must divide the fused width 2 * fusion.latent (12)" in message
    assert "model.fusion.latent=6, model.context.heads=8" in message
