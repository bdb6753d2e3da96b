"""Matrix files: what they resolve to, and what every mistake in them says."""

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ablations.problems import MatrixError
from ablations.study import Study, load
from ablations.yaml_lines import YamlError, parse
from runners.train import app as train

ROOT = Path(__file__).parents[2]
MODELINE = "# yaml-language-server: $schema=matrix.schema.json\n"
LOSS = (ROOT / "ablations" / "loss.yaml").read_text().replace(MODELINE, "")


def read(folder: Path, text: str, *overrides: str) -> Study:
    path = folder / "m.yaml"
    path.write_text(text)
    return load(path, overrides)


def refused(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(MatrixError) as caught:
        read(folder, text, *overrides)
    return str(caught.value).replace(f"{folder}/", "")


def test_the_loss_study_is_the_whole_grid() -> None:
    study = load(ROOT / "ablations" / "loss.yaml")
    assert (len(study.cells), study.seeds) == (64, (0, 1, 2, 3, 4))
    assert len({cell.cell_id for cell in study.cells}) == 64
    assert study.baseline.name == "baseline"
    assert (study.cells[0].name, study.cells[-1].name) == ("enc=0.01 cl=0.1", "enc=0.1 cl=0.5 smooth_l1 focal")
    assert study.cells[0].levels == {
        "loss.encoder_weight": "0.01",
        "loss.contrastive.weight": "0.1",
        "loss.reconstruction": "mse",
        "loss.classification": "nll",
    }
    assert list(study.factors().values()) == ["enc", "cl", "reconstruction", "classification"]
    assert study.cells[-1].config.loss.contrastive.weight == 0.5
    assert study.cells[-1].config.loss.classification.kind == "focal"


@pytest.mark.parametrize("path", sorted((ROOT / "ablations").glob("*.yaml")), ids=lambda path: path.stem)
def test_committed_matrices_are_valid_and_say_how_to_run_them(path: Path) -> None:
    assert load(path).cells
    assert f"python -m runners.ablate --matrix ablations/{path.name}" in path.read_text()
    assert MODELINE in path.read_text()


def test_a_factor_keeps_its_path_where_its_short_name_is_taken(tmp_path: Path) -> None:
    study = read(
        tmp_path,
        "study: s\nfactors: {data.seed: [0, 1], model.context.dropout: [0.1, 0.3], model.dropout: [0.1, 0.3]}\nseeds: 1\n",
    )
    assert list(study.factors().values()) == ["data.seed", "model.context.dropout", "model.dropout"]


def test_seeds_may_be_a_number_or_a_list(tmp_path: Path) -> None:
    assert read(tmp_path, LOSS.replace("seeds: 5", "seeds: [3, 1]")).seeds == (3, 1)
    path = tmp_path / "m.yaml"
    assert load(path, seeds=[7]).seeds == (7,)


def test_the_text_that_is_kept_says_what_the_command_line_changed(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(LOSS)
    assert (
        load(tmp_path / "m.yaml", ["training.epochs=3"], [0, 1]).text
        == f"# --set training.epochs=3\n# --seeds 0,1\n{LOSS}"
    )


def test_written_cells_have_their_names_and_a_named_baseline(tmp_path: Path) -> None:
    study = read(
        tmp_path,
        """
study: presets
design: cells
baseline: plain
cells:
  plain: {}
  recommended: {loss.encoder_weight: 0.03, loss.classification: {kind: focal}}
seeds: 2
""",
    )
    assert [cell.name for cell in study.cells] == ["plain", "recommended"]
    assert study.baseline is study.cells[0]
    assert study.cells[1].config.loss.classification.kind == "focal"


def test_an_explicit_baseline_is_found_among_the_cells(tmp_path: Path) -> None:
    study = read(tmp_path, LOSS.replace("baseline: base", "baseline: {loss.encoder_weight: 0.1}"))
    assert (study.baseline.name, study.baseline.config.loss.encoder_weight) == ("baseline", 0.1)
    assert study.cells[0].name == "enc=0.01 cl=0.1"
    assert "enc=0.05" in [cell.name for cell in study.cells]


def test_set_changes_the_base(tmp_path: Path) -> None:
    study = read(tmp_path, LOSS, "training.epochs=3", "data.signal=1e-1")
    assert all(cell.config.training.epochs == 3 for cell in study.cells)
    assert study.baseline.config.source.identity()["signal"] == 0.1


def test_another_kind_starts_from_its_own_defaults(tmp_path: Path) -> None:
    base = LOSS.replace("base: {loss: {", "base: {loss: {classification: {kind: focal, gamma: 5}, ")
    text = base.replace("[{kind: nll}, {kind: focal, alpha: 1, gamma: 2}]", "[{kind: nll}, {kind: focal, alpha: 0.5}]")
    study = read(tmp_path, text.replace("baseline: base", "baseline: {loss.classification: {kind: nll}}"))
    focal = {cell.config.loss.classification for cell in study.cells} - {study.baseline.config.loss.classification}
    assert [(loss.model_dump()["alpha"], loss.model_dump()["gamma"]) for loss in focal] == [(0.5, 5.0)]
    assert study.baseline.config.loss.classification.model_dump() == {"kind": "nll"}


ENC = "loss.encoder_weight: [0.01, 0.03, 0.05, 0.1]"
MISTAKES = {
    "unknown factor": ("loss.encoder_weight: [", "loss.encoder_wieght: [", "m.yaml: line 11: unknown key 'loss.encoder_wieght'; did you mean 'encoder_weight'?"),
    "unknown key": ("seeds: 5", "seeds: 5\nsede: 1", "m.yaml: line 16: unknown key 'sede'; did you mean 'seeds'?"),
    "missing key": ("seeds: 5", "", "the key 'seeds' is missing"),
    "unknown key of a kind": ("alpha: 1,", "alhpa: 1,", "m.yaml: line 14: unknown key 'loss.classification.alhpa'; did you mean 'alpha'?"),
    "setting of another kind": ("{kind: nll}", "{kind: nll, gamma: 1}", "m.yaml: line 14: unknown key 'loss.classification.gamma'; the keys here are kind"),
    "unknown kind": ("{kind: nll}", "{kind: nl}", "m.yaml: line 14: 'loss.classification': no kind 'nl'; the kinds are 'nll', 'focal'"),
    "wrong type": (ENC, 'loss.encoder_weight: [0.01, "0.03"]', "m.yaml: line 11: loss.encoder_weight: input should be a valid number, got '0.03'"),
    "null level": (ENC, "loss.encoder_weight: [0.05, null]", "m.yaml: line 11: loss.encoder_weight: input should be a valid number, got None"),
    "out of range": (ENC, "loss.encoder_weight: [0.05, -1]", "m.yaml: line 11: loss.encoder_weight: input should be greater than or equal to 0, got -1"),
    "not finite": (ENC, "loss.encoder_weight: [0.05, .inf]", "m.yaml: line 11: loss.encoder_weight: input should be a finite number, got inf"),
    "no levels": (ENC, "loss.encoder_weight: []", "m.yaml: line 11: factors.loss.encoder_weight: at least 1 level or value is needed, got []"),
    "duplicate level": (ENC, "loss.encoder_weight: [0.05, 0.1, 0.10]", "m.yaml: line 11: factor 'loss.encoder_weight': the levels 0.1 and 0.1 are one configuration"),
    "equal by default": ("{kind: nll}", "{kind: focal}", "m.yaml: line 14: factor 'loss.classification': the levels {'kind': 'focal'} and {'kind': 'focal', 'alpha': 1, 'gamma': 2} are one configuration"),
    "duplicate key": ("seeds: 5", "seeds: 5\nseeds: 6", "m.yaml: line 16: the key 'seeds' stands twice, first on line 15"),
    "baseline no cell": ("encoder_weight: 0.05", "encoder_weight: 0.07", "m.yaml: line 7: the baseline (enc=0.07-"),
    "baseline unknown": ("baseline: base", "baseline: best", "m.yaml: line 7: no cell 'best'; the baseline is one of: base"),
    "baseline invalid": ("baseline: base", "baseline: {loss.x: 1}", "m.yaml: line 7: unknown key 'loss.x'; the keys here are classification, class_weight, label_smoothing, reconstruction, modality_weight, encoder_weight, gate_weight, contrastive, normalisation, weighting"),
    "study name": ("study: loss", "study: My Loss", "m.yaml: line 5: study: string should match pattern"),
    "metric": ("test/weighted_f1", "test/f1", "m.yaml: line 8: metric.name: no metric 'test/f1'; there are test/weighted_f1, test/macro_f1, test/accuracy, test/micro_f1, test/average_precision"),
    "seeds": ("seeds: 5", "seeds: [1, 1]", "seeds: one stands twice in [1, 1]"),
    "no seeds": ("seeds: 5", "seeds: 0", "m.yaml: line 15: seeds: input should be greater than 0, got 0"),
    "design without its part": ("design: grid", "design: cells", "design 'cells' needs 'cells'"),
    "design with another's part": ("seeds: 5", "seeds: 5\ncells: {a: {}}", "design 'grid' has no 'cells'"),
    "in the base": ("contrastive: {weight: 0.2}", "contrastive: {weihgt: 0.2}", "m.yaml: line 6: unknown key 'loss.contrastive.weihgt'; did you mean 'weight'?"),
    "between settings": ("base: {", "base: {model: {fusion: {latent: 33}}, ", "m.yaml: line 6: model: context.heads (4) must divide the fused width 2 * fusion.latent (66)"),
    "not a mapping": (LOSS, "- 1", "m.yaml: line 1: a matrix is a mapping with the keys study, task, base,"),
    "empty": (LOSS, "# nothing", "m.yaml: line 1: the file is empty"),
    "not yaml": ("study: loss", "study: [", "m.yaml: line 7: expected ',' or ']'"),
    "a tag": ("study: loss", "study: !!python/name:os.system", "m.yaml: line 5: the tag tag:yaml.org,2002:python/name:os.system is not allowed"),
    "binary": ("study: loss", "study: !!binary bG9zcw==", "m.yaml: line 5: the tag tag:yaml.org,2002:binary is not allowed"),
    "a control character": ("study: loss", "study: lo\x00ss", "m.yaml: line 5: a control character"),
    "a number as key": ("study: loss", "study: loss\n1: 2", "m.yaml: line 6: a key must be a plain string"),
    "an endless alias": ("study: loss", "study: &a [*a]", "m.yaml: line 5: nested deeper than 20 levels, or an alias of itself"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line_and_the_way_out(tmp_path: Path, mistake: str) -> None:
    old, new, message = MISTAKES[mistake]
    assert old in LOSS
    assert message in refused(tmp_path, LOSS.replace(old, new, 1))


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    text = (
        LOSS.replace("0.01, 0.03", '"a", 0.03')
        .replace("kind: smooth_l1", "kind: l3")
        .replace("{kind: nll}", "{kind: nl}")
    )
    assert [line.split(":")[1].strip() for line in refused(tmp_path, text).split("\n")] == [
        "line 11",
        "line 13",
        "line 14",
    ]


def test_two_cells_that_are_one_configuration_are_named(tmp_path: Path) -> None:
    text = "study: s\ndesign: cells\ncells: {a: {}, b: {training.epochs: 12}}\nseeds: 1\n"
    assert refused(tmp_path, text) == "m.yaml: the cells 'a' and 'b' are one configuration"


def test_settings_that_contradict_in_one_cell_alone_are_named_with_the_cell(tmp_path: Path) -> None:
    text = "study: s\nfactors: {model.fusion.latent: [32, 6], model.context.heads: [4, 8]}\nseeds: 1\n"
    message = refused(tmp_path, text)
    assert "context.heads (8) must divide the fused width 2 * fusion.latent (12)" in message
    assert "(with model.fusion.latent=6, model.context.heads=8)" in message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.pth=x",
            "--set data.pth: unknown key 'data.pth'; the keys here are kind, features, multi_label, dialogues, min_dev_dialogues, min_test_dialogues, signal, seed",
        ),
        ("training.epochs=many", "--set training.epochs: training.epochs: input should be a valid integer, got 'many'"),
        ("epochs", "--set epochs: write KEY=VALUE"),
        ("training.epochs=[", "--set training.epochs=[: the value is not YAML"),
    ],
)
def test_a_mistake_in_an_override_is_named(tmp_path: Path, override: str, message: str) -> None:
    assert message in refused(tmp_path, LOSS, override)


def test_levels_that_are_close_have_names_of_their_own(tmp_path: Path) -> None:
    text = "study: near\nfactors: {loss.encoder_weight: [0.05, 0.0500001, 0.05000011, 0.30000000000000004]}\nseeds: 1\n"
    (tmp_path / "m.yaml").write_text(text)
    cells = load(tmp_path / "m.yaml").cells
    levels = [cell.levels["loss.encoder_weight"] for cell in cells]
    assert levels == ["0.05", "0.0500001", "0.05000011", "0.30000000000000004"]
    assert [cell.name for cell in cells] == ["baseline", *(f"enc={level}" for level in levels[1:])]
    # The ids of such cells differ in their hashes.
    assert [cell.cell_id.rpartition("-")[0] for cell in cells[1:3]] == ["enc=0.0500001", "enc=0.0500001"]


ANCHORS = """
x-common: &common {epochs: 1, batch_size: 4}
x-more: &more {batch_size: 8, precision: fp64}
study: merged
base: {training: {<<: [*common, *more], epochs: 2}, loss: {<<: {encoder_weight: 0.1}}}
factors: {loss.contrastive.weight: [0, 0.2]}
seeds: 1
"""


def test_merge_keys_and_places_for_anchors_are_read_as_in_other_tools(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(ANCHORS)
    config = load(tmp_path / "m.yaml").baseline.config
    training = config.training.model_dump()
    assert (training["epochs"], training["batch_size"], training["precision"]) == (2, 4, "fp64")
    assert config.loss.encoder_weight == 0.1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[*common, *more]", "3", "line 5: '<<' takes a mapping (<<: *name) or a list of them"),
        ("[*common, *more]", "*commn", "line 5: found undefined alias 'commn'"),
        ("{epochs: 1, batch_size: 4}", "{<<: *common}", "line 2: nested deeper than 20 levels, or an alias of itself"),
        ("epochs: 1,", "epoch: 1,", "line 2: unknown key 'training.epoch'; did you mean 'epochs'?"),
    ],
)
def test_a_mistake_about_a_merge_key_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "m.yaml").write_text(ANCHORS.replace(old, new))
    with pytest.raises(MatrixError, match=re.escape(message)):
        load(tmp_path / "m.yaml")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(MatrixError, match=r"nowhere\.yaml: no such file"):
        load(Path("nowhere.yaml"))


def test_numbers_are_read_as_people_write_them(tmp_path: Path) -> None:
    study = read(tmp_path, LOSS.replace(ENC, "loss.encoder_weight: [5e-2, 1e-3, 1, .5]"))
    weights = sorted({cell.config.loss.encoder_weight for cell in study.cells})
    assert weights == [0.001, 0.05, 0.5, 1.0]
    assert json.dumps(weights) == "[0.001, 0.05, 0.5, 1.0]"


OTHERWISE = {
    "[0,05, 0,1]": "[0,05, 0,1] is a list of 4 values; write decimals with a point, [0.05, 0.1], or a space after every",
    "[0,05,0,1]": "write decimals with a point, [0.05, 0.1]",
    "[1, 2,5]": "write decimals with a point, [1, 2.5]",
    "[[0,05, 1], 2]": "write decimals with a point, [0.05, 1]",
    "0,05": "got '0,05'; write a list in brackets, decimals with a point: [0.05]",
    '["0,05", 1]': "got '0,05'; write decimals with a point: 0.05",
    "[0,05; 0,1]": "got '05; 0'; separate numbers by commas, and write decimals with a point",
    "[1_000, 2]": "got '1_000'; write 1000",
    "[1_000.5, 2]": "got '1_000.5'; write 1000.5",
    '["0.05", 2]': "got '0.05'; leave out the quotation marks",
}


@pytest.mark.parametrize("levels", OTHERWISE)
def test_numbers_that_are_written_otherwise_are_refused_with_how_to_write_them(tmp_path: Path, levels: str) -> None:
    message = refused(tmp_path, LOSS.replace(ENC, f"loss.encoder_weight: {levels}"))
    assert OTHERWISE[levels] in message
    assert message.startswith("m.yaml: line 11: ")


@pytest.mark.parametrize("seeds", ["[1,2,3]", "[1, 2, 3]", "[1,\n  2,\n  3]", "[ 1,2,3 ]"])
def test_lists_of_whole_numbers_are_read_however_they_are_spaced(tmp_path: Path, seeds: str) -> None:
    assert read(tmp_path, LOSS.replace("seeds: 5", f"seeds: {seeds}")).seeds == (1, 2, 3)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("10.0", "got 10.0; write 10"),
        ("1_0", "got '1_0'; write 10"),
        ("'10'", "got '10'; leave out the quotation marks"),
        ("2,5", "got '2,5'; write a list in brackets: [2, 5]"),
        ("10.5", "got 10.5"),
    ],
)
def test_a_whole_number_that_is_written_otherwise_is_refused_with_how_to_write_it(
    tmp_path: Path, value: str, advice: str
) -> None:
    assert refused(tmp_path, LOSS.replace("seeds: 5", f"seeds: {value}")).endswith(advice)
    override = refused(tmp_path, LOSS, f"training.epochs={value}")
    assert override.startswith("--set training.epochs: ")
    assert advice in override


def test_yes_and_no_are_refused_with_true_and_false(tmp_path: Path) -> None:
    for word, meant in (("yes", "true"), ("Off", "false")):
        assert f"got '{word}'; write {meant}" in refused(tmp_path, LOSS, f"data.multi_label={word}")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-16", "line 1: the file is UTF-16, not UTF-8; save it as UTF-8 in your editor, or: iconv -f UTF-16 -t"),
        ("utf-16-le", "line 1: the file is UTF-16LE, not UTF-8"),
        ("utf-16-be", "line 1: the file is UTF-16BE, not UTF-8"),
        ("utf-32", "line 1: the file is UTF-32, not UTF-8"),
        ("latin-1", "line 2: the byte 0xf6 is not UTF-8, but perhaps Latin-1; save it as UTF-8"),
    ],
)
def test_another_encoding_is_refused_with_the_remedy_also_in_what_is_included(
    tmp_path: Path, encoding: str, message: str
) -> None:
    (tmp_path / "other.yaml").write_bytes(f"\n# gr\u00f6\u00dfe\n{LOSS}".encode(encoding))
    with pytest.raises(MatrixError, match=re.escape(f"{tmp_path / 'other.yaml'}: {message}")):
        load(tmp_path / "other.yaml")
    with pytest.raises(MatrixError, match=re.escape(message)):
        read(tmp_path, "include: other.yaml\nstudy: on_top\n")


def test_a_byte_order_mark_of_utf_8_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(LOSS.encode("utf-8-sig"))
    study = load(tmp_path / "m.yaml")
    assert study.matrix.study == "loss"
    assert "\ufeff" not in study.text


UNSPACED = {
    "[0,5,1,5]": "the levels 5 and 5 are one configuration; [0,5,1,5] is a list of 4 values; write decimals with a point, [0.5, 1.5]",
    "[0,5,\n    -1,5]": "input should be greater than or equal to 0, got -1; [0,5, -1,5] is a list of 4 values; write decimals with a point, [0.5, -1.5]",
    "[7,5]": "each of its settings must be a level of its factor; [7,5] is a list of 2 values; write decimals with a point, [7.5]",
}  # fmt: skip


@pytest.mark.parametrize("levels", UNSPACED)
def test_a_list_that_may_have_decimal_commas_is_named_where_it_leads_to_an_error(tmp_path: Path, levels: str) -> None:
    message = refused(tmp_path, LOSS.replace(ENC, f"loss.encoder_weight: {levels}"))
    assert UNSPACED[levels] in message


@pytest.mark.parametrize(
    "text",
    ["[0.1,0.2, 0.3]", "[0.1, 0.2,0.3]", "[1,-2, 3]", "[10,20,30, 40]", "[10,20,\n  30]", "[[0,1], [2,3]]", '["0,5", 1]', "[a,5, b]", "{a: 0,b: 5}"],
)  # fmt: skip
def test_a_list_that_can_be_meant_as_it_is_read_is_read_however_it_is_spaced(text: str) -> None:
    assert parse(text).value == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{weight: 0,05}", "line 1: 0,05 is a value and a key here; write decimals with a point: 0.05"),
        ("{low: 0,01, high: 0,1}", "line 1: 0,1 is a value and a key here; write decimals with a point: 0.1"),
        ("a:\n- {b: -1,5e-3, c: 1}", "line 2: -1,5e-3 is a value and a key here; write decimals with a point: -1.5e-3"),
        ("[none, 0,05]", "line 1: [none, 0,05] is a list of 3 values; write decimals with a point, [none, 0.05]"),
    ],
)  # fmt: skip
def test_a_decimal_comma_is_named_in_mappings_and_beside_words(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.contrastive={weight: 0,05}", "0,05 is a value and a key here; write decimals with a point: 0.05"),
        ("loss.class_weight=[0,5, 1,5]", "write decimals with a point, [0.5, 1.5]"),
        ("loss.class_weight=[0,5]", "greater than 0, got 0; [0,5] is a list of 2 values; write decimals with a point, [0.5]"),
        ("training.epochs=1\udce4", "line 1: a byte that is not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_set_otherwise_is_refused_with_how_to_write_it(tmp_path: Path, override: str, message: str) -> None:
    assert message in refused(tmp_path, LOSS, override)


@pytest.mark.parametrize("arguments", [["--class_weight", "[0,5]"], ["--set", "loss.class_weight=[0,5]"]])
def test_an_option_of_one_run_is_refused_with_how_to_write_it(arguments: list[str]) -> None:
    result = CliRunner().invoke(train, arguments)
    assert result.exit_code == 2
    assert "got 0; [0,5] is a list of 2 values; write decimals with a point, [0.5]" in result.stderr


def test_an_included_list_that_may_have_decimal_commas_is_named_unless_it_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "below.yaml").write_text(LOSS.replace(ENC, "loss.encoder_weight: [0,5,0,1]"))
    above = "include: below.yaml\nstudy: above\n"
    assert "write decimals with a point, [0.5, 0.1]" in refused(tmp_path, above)
    assert "point" not in refused(tmp_path, f"{above}factors: {{loss.encoder_weight: [1, 1]}}\n")
