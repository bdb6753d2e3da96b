"""Each design with its cells written out; ties, exclusions, factors of one kind alone, and included matrices."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from ablations.designs.fractional import generators
from ablations.problems import MatrixError
from ablations.study import Study, load

A, B = "loss.encoder_weight: [0.05, 0.1, 0.5]", "loss.reconstruction: [{kind: mse}, {kind: huber}]"
LEVELS = {A.partition(":")[0], B.partition(":")[0]}


def read(folder: Path, design: str, more: str = f"factors:\n  {A}\n  {B}\n") -> Study:
    path = folder / "m.yaml"
    path.write_text(f"study: s\ndesign: {design}\n{more}seeds: 1\n")
    return load(path)


def refused(folder: Path, design: str, more: str = f"factors:\n  {A}\n  {B}\n") -> str:
    with pytest.raises(MatrixError) as caught:
        read(folder, design, more)
    return str(caught.value).replace(f"{folder}/", "")


def cells(study: Study) -> list[tuple[float, str]]:
    return [(cell.config.loss.encoder_weight, cell.config.loss.reconstruction.kind) for cell in study.cells]


def names(study: Study) -> list[str]:
    return [cell.name for cell in study.cells]


GRID = [(e, r) for e in (0.05, 0.1, 0.5) for r in ("mse", "huber")]
ONE = [(0.05, "mse"), (0.1, "mse"), (0.5, "mse"), (0.05, "huber")]


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("grid", GRID),
        ("one_at_a_time", ONE),
        ("{kind: one_at_a_time, factors: [loss.encoder_weight]}", ONE[:3]),
        ("{kind: grid, factors: [loss.reconstruction]}", [(0.05, "mse"), (0.05, "huber")]),
        ("[one_at_a_time, grid]", [*ONE, (0.1, "huber"), (0.5, "huber")]),
        ("[{kind: grid, factors: [loss.reconstruction]}, one_at_a_time]", [ONE[0], ONE[3], ONE[1], ONE[2]]),
    ],
)
def test_the_cells_of_a_design_of_factors(tmp_path: Path, design: str, expected: list[tuple[float, str]]) -> None:
    study = read(tmp_path, design)
    assert cells(study) == expected
    assert study.baseline is study.cells[0]
    assert all(cell.levels.keys() == LEVELS for cell in study.cells)


def test_cells_are_named_by_what_differs_from_the_baseline(tmp_path: Path) -> None:
    assert names(read(tmp_path, "one_at_a_time")) == ["baseline", "enc=0.1", "enc=0.5", "huber"]
    more = f"baseline: {{loss.encoder_weight: 0.5}}\nfactors:\n  {A}\n  {B}\n"
    assert names(read(tmp_path, "one_at_a_time", more)) == ["baseline", "enc=0.05", "enc=0.1", "huber"]
    assert names(read(tmp_path, "grid"))[:4] == ["baseline", "huber", "enc=0.1", "enc=0.1 huber"]
    assert names(read(tmp_path, "grid", more))[:2] == ["enc=0.05", "enc=0.05 huber"]


def test_cells_with_the_same_words_have_names_of_their_own(tmp_path: Path) -> None:
    more = (
        "factors:\n  loss.encoder_weight: [0.05, 0.10000001, 0.10000002]\n"
        "  loss.reconstruction: [{kind: mse}, {kind: huber}]\ncells: {huber: {loss.encoder_weight: 0.3}}\n"
    )
    study = read(tmp_path, "[cells, grid]", more)
    assert len(set(names(study))) == len(study.cells) == 7
    assert names(study)[:3] == ["huber", "baseline", f"huber ({study.cells[2].cell_id.rpartition('-')[2]})"]
    assert names(study)[3] == "enc=0.10000001"


@pytest.mark.parametrize("kind", ["nll", "focal"])
def test_names_tell_apart_the_settings_of_one_kind_whatever_the_baseline(tmp_path: Path, kind: str) -> None:
    more = (
        f"base: {{loss: {{classification: {{kind: {kind}}}}}}}\n"
        "factors:\n  loss.classification: [{kind: nll}, {kind: focal}]\n  loss.classification.gamma: [1, 2, 5]\n"
    )
    expected = {
        "nll": ["baseline", "focal gamma=1", "focal gamma=2", "focal gamma=5"],
        "focal": ["nll", "gamma=1", "baseline", "gamma=5"],
    }
    assert names(read(tmp_path, "grid", more)) == expected[kind]


def test_shared_cells_are_run_once_and_the_study_says_so(tmp_path: Path) -> None:
    study = read(tmp_path, "[one_at_a_time, grid]")
    assert study.notes == ("4 combinations are a cell already: designs share it, or a factor has no effect in it",)
    assert len({cell.cell_id for cell in study.cells}) == len(study.cells) == 6


PARTS = "base: {model: {fusion: {kind: hierarchical}}, loss: {label_smoothing: 0.1}}\n"


def test_leave_one_out_switches_off_each_part_of_the_loss_and_the_network(tmp_path: Path) -> None:
    study = read(tmp_path, "leave_one_out", PARTS)
    assert names(study) == [
        "baseline",
        "no reconstruction",
        "no gates' regularisation",
        "no contrast",
        "no label smoothing",
        "no context",
        "no graph",
    ]
    configs = [cell.config for cell in study.cells]
    assert [config.loss.encoder_weight for config in configs] == [0.05, 0.0, *[0.05] * 5]
    assert [config.loss.gate_weight for config in configs] == [0.01, 0.01, 0.0, *[0.01] * 4]
    assert [config.loss.contrastive.kind for config in configs].index("none") == 3
    assert [config.loss.label_smoothing for config in configs] == [0.1, 0.1, 0.1, 0.1, 0.0, 0.1, 0.1]
    assert [config.model.context.kind for config in configs].index("none") == 5
    assert [config.model.graph.past + config.model.graph.future for config in configs] == [4] * 6 + [0]
    assert study.cells[3].levels == {
        "reconstruction": "on",
        "gates' regularisation": "on",
        "contrast": "off",
        "label smoothing": "on",
        "context": "on",
        "graph": "on",
    }


def test_add_one_in_has_each_part_alone(tmp_path: Path) -> None:
    study = read(tmp_path, "add_one_in", "parts: [contrast, reconstruction, context]\n")
    assert names(study) == ["baseline", "none of the parts", "only contrast", "only reconstruction", "only context"]
    on = [
        (c.config.loss.contrastive.kind, c.config.loss.encoder_weight, c.config.model.context.kind) for c in study.cells
    ]
    assert on == [
        ("infonce", 0.05, "transformer"),
        ("none", 0.0, "none"),
        ("infonce", 0.0, "none"),
        ("none", 0.05, "none"),
        ("none", 0.0, "transformer"),
    ]


def test_parts_may_be_written_out(tmp_path: Path) -> None:
    both = "{loss.encoder_weight: 0, loss.contrastive.weight: 0}"
    more = f"parts:\n  text: {{data.features: [audio, visual]}}\n  both: {both}\n"
    study = read(tmp_path, "leave_one_out", more)
    assert names(study) == ["baseline", "no text", "no both"]
    assert study.cells[1].config.source.identity()["features"] == ["audio", "visual"]
    assert study.cells[2].config.loss.contrastive.weight == 0.0


def test_a_path_has_every_way_between_its_ends(tmp_path: Path) -> None:
    study = read(tmp_path, "{kind: path, to: {loss.encoder_weight: 0.1, loss.classification: {kind: focal}}}", "")
    found = [(cell.config.loss.encoder_weight, cell.config.loss.classification.kind) for cell in study.cells]
    assert found == [(0.05, "nll"), (0.05, "focal"), (0.1, "nll"), (0.1, "focal")]
    assert names(study) == ["baseline", "focal", "enc=0.1", "enc=0.1 focal"]
    assert list(study.cells[1].levels.values()) == ["0.05", "focal"]


def test_a_fraction_has_the_cells_of_its_generators(tmp_path: Path) -> None:
    factors = (
        "factors:\n  loss.encoder_weight: [0.1, 0.05]\n  loss.reconstruction: [{kind: mse}, {kind: huber}]\n"
        "  loss.classification: [{kind: nll}, {kind: focal}]\n  loss.contrastive.weight: [0.2, 0]\n"
    )
    study = read(tmp_path, "{kind: fractional, resolution: 4}", factors)
    coded = [
        (
            int(c.config.loss.encoder_weight != 0.05),
            int(c.config.loss.reconstruction.kind == "huber"),
            int(c.config.loss.classification.kind == "focal"),
            int(c.config.loss.contrastive.weight == 0),
        )
        for c in study.cells
    ]
    assert coded == [
        (0, 0, 0, 0), (1, 0, 0, 1), (0, 1, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1), (1, 0, 1, 0), (0, 1, 1, 0), (1, 1, 1, 1),
    ]  # fmt: skip
    assert study.baseline is study.cells[0]


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("factors", range(1, 9))
def test_effects_up_to_the_resolution_are_orthogonal(factors: int, resolution: int) -> None:
    bits, columns = generators(factors, resolution)
    signs = np.array([[1 - 2 * ((row & column).bit_count() % 2) for column in columns] for row in range(2**bits)])
    words = [
        np.prod(signs[:, list(chosen)], axis=1)
        for size in range(1, resolution)
        for chosen in itertools.combinations(range(factors), size)
    ]
    assert all(word.sum() == 0 for word in words)


def test_fractions_are_no_larger_than_those_of_the_tables() -> None:
    known = {(7, 3): 3, (4, 4): 3, (8, 4): 4, (5, 5): 4, (6, 5): 5}  # Box, Hunter and Hunter 2005, table 6.22
    assert {key: generators(*key)[0] for key in known} == known


def test_tied_factors_change_together_and_are_one_factor(tmp_path: Path) -> None:
    more = (
        "factors:\n  loss.encoder_weight: [0.05, 0.1]\n  loss.contrastive.weight: [0.2, 0.4]\n"
        "  loss.reconstruction: [{kind: mse}, {kind: huber}]\n"
        "tied: [[loss.encoder_weight, loss.contrastive.weight]]\n"
    )
    study = read(tmp_path, "grid", more)
    found = [(c.config.loss.encoder_weight, c.config.loss.contrastive.model_dump()["weight"]) for c in study.cells]
    assert found == [(0.05, 0.2), (0.05, 0.2), (0.1, 0.4), (0.1, 0.4)]
    assert names(study) == ["baseline", "huber", "enc=0.1 cl=0.4", "enc=0.1 cl=0.4 huber"]
    assert study.factors() == {
        "loss.encoder_weight+loss.contrastive.weight": "enc+cl",
        "loss.reconstruction": "reconstruction",
    }
    assert study.cells[3].levels == {
        "loss.encoder_weight+loss.contrastive.weight": "0.1+0.4",
        "loss.reconstruction": "huber",
    }


def test_a_factor_of_one_kind_collapses_for_the_others(tmp_path: Path) -> None:
    more = "factors:\n  loss.classification: [{kind: nll}, {kind: focal}]\n  loss.classification.gamma: [1, 2, 5]\n"
    study = read(tmp_path, "grid", more)
    assert [cell.levels["loss.classification.gamma"] for cell in study.cells] == ["–", "1", "2", "5"]
    assert study.notes == ("2 combinations are a cell already: designs share it, or a factor has no effect in it",)


def test_a_weight_of_gates_collapses_where_there_are_none(tmp_path: Path) -> None:
    more = "factors:\n  model.fusion: [{kind: auto_fusion}, {kind: hierarchical}]\n  loss.gate_weight: [0.01, 0.1]\n"
    assert names(read(tmp_path, "grid", more)) == ["baseline", "hierarchical", "hierarchical gate=0.1"]
    alone = refused(tmp_path, "grid", "factors:\n  loss.gate_weight: [0.01, 0.1]\n")
    assert alone == "m.yaml: line 4: factor 'loss.gate_weight': the levels 0.01 and 0.1 are one configuration"


@pytest.mark.parametrize(
    ("predicate", "left"),
    [
        ("{loss.reconstruction: huber, loss.encoder_weight: 0.5}", GRID[:5]),
        ("{loss.reconstruction: {kind: huber}}", GRID[::2]),
        ("{loss.encoder_weight: [0.1, 0.5]}", GRID[:2]),
        ('{loss.encoder_weight: "> 0.05", loss.reconstruction: "!= mse"}', [GRID[0], GRID[1], GRID[2], GRID[4]]),
        ('{loss.encoder_weight: ">= 0.1"}', GRID[:2]),
    ],
)
def test_excluded_cells_are_left_out(tmp_path: Path, predicate: str, left: list[tuple[float, str]]) -> None:
    study = read(tmp_path, "grid", f"factors:\n  {A}\n  {B}\nexclude: [{predicate}]\n")
    assert cells(study) == left
    assert study.notes == (f"{6 - len(left)} combinations are excluded",)


def test_an_included_matrix_is_merged_key_by_key_and_keeps_its_lines(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "base.yaml").write_text(
        f"study: other\nbase: {{training: {{epochs: 3}}, loss: {{label_smoothing: 0.1}}}}\nfactors:\n  {A}\n  {B}\nseeds: 7\n"
    )
    more = "include: sub/base.yaml\nbase: {training: {epochs: 5}}\nfactors:\n  loss.encoder_weight: null\n"
    study = read(tmp_path, "grid", more)
    assert (study.matrix.study, study.seeds) == ("s", (0,))
    assert names(study) == ["baseline", "huber"]
    config = study.baseline.config
    assert (config.training.epochs, config.loss.label_smoothing) == (5, 0.1)
    assert "# included from base.yaml:\n# study: other\n" in study.text
    (tmp_path / "sub" / "base.yaml").write_text("factors:\n  loss.encoder_weight: [0.05]\n  loss.x: [1]\n")
    assert refused(tmp_path, "grid", "include: sub/base.yaml\n").startswith(
        "sub/base.yaml: line 3: unknown key 'loss.x'; the keys here are"
    )


FACTORS = f"factors:\n  {A}\n  {B}\n"


@pytest.mark.parametrize(
    ("design", "more", "message"),
    [
        ("grit", FACTORS, "m.yaml: line 2: 'design': no kind 'grit'; the kinds are 'grid', 'one_at_a_time', "),
        ("[grid, search]", FACTORS, "design 'search' stands alone, got grid, search"),
        ("{kind: grid, factors: [loss.encoder]}", FACTORS, "m.yaml: line 2: no factor 'loss.encoder'; did you mean 'loss.encoder_weight'?"),
        ("one_at_a_time", "", "design 'one_at_a_time' needs 'factors'"),
        ("fractional", FACTORS, "m.yaml: line 2: factor 'loss.encoder_weight' has 3 levels; design 'fractional' needs two of each"),
        ("leave_one_out", "parts: [contrats]\n", "m.yaml: line 3: the baseline has no part 'contrats'; did you mean 'contrast'?"),
        ("leave_one_out", "parts: {a: {loss.encoder_weight: 0.05}}\n", "m.yaml: line 3: part 'a' is off in the baseline already"),
        ("leave_one_out", "parts: {a: {loss.encoder: 0}}\n", "m.yaml: line 3: unknown key 'loss.encoder'; did you mean 'encoder_weight'?"),
        ("grid", f"{FACTORS}tied: [[loss.encoder_weight, loss.reconstruction]]\n", "m.yaml: line 6: tied factors need as many levels as one another, got {'loss.encoder_weight': 3, 'loss.reconstruction': 2}"),
        ("grid", f"{FACTORS}tied: [[loss.encoder_weight, loss.x]]\n", "m.yaml: line 6: no factor 'loss.x'"),
        ("grid", f"{FACTORS}exclude: [{{loss.encoder_weight: 7}}]\n", "m.yaml: line 6: exclude: no cell is loss.encoder_weight=7"),
        ("grid", f"{FACTORS}exclude: [{{loss.reconstruction: mse}}]\n", "is none of the study's 3 cells that are not excluded"),
        ("grid", "include: nowhere.yaml\n", "m.yaml: line 3: include: no file 'nowhere.yaml'; give its path from"),
        ("grid", "include: m.yaml\n", "m.yaml: line 3: include: m.yaml includes this file"),
        ("{kind: path, to: {loss.x: 1}}", "", "m.yaml: line 2: unknown key 'loss.x'"),
        ("{kind: path, to: {}}", "", "m.yaml: line 2: design.to: at least 1 level or value is needed, got {}"),
        ("grid", "factors:\n  loss.classification: [{kind: nll}, {kind: focal}]\n  loss.classification.gama: [1, 2]\n", "m.yaml: line 5: unknown key 'loss.classification.gama'"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_design_is_named_with_its_line(tmp_path: Path, design: str, more: str, message: str) -> None:
    assert message in refused(tmp_path, design, more)
