"""The JSON schema that editors use: it takes what the reader takes, and is the committed one."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ablations import schema
from ablations.problems import MatrixError
from ablations.start import start
from ablations.study import load
from ablations.yaml_lines import parse

ROOT = Path(__file__).parents[2]
VALIDATOR = jsonschema.Draft202012Validator(schema.schema())
LOSS = yaml.safe_load((ROOT / "ablations" / "loss.yaml").read_text())


def test_the_committed_schema_is_that_of_the_code() -> None:
    assert json.loads((ROOT / "ablations" / "matrix.schema.json").read_text()) == schema.schema()
    jsonschema.Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("path", sorted((ROOT / "ablations").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_committed_matrix_fits(path: Path) -> None:
    VALIDATOR.validate(parse(path.read_text()).value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("sede",), 1),
        (("design",), "grit"),
        (("design",), {"kind": "grid", "factor": ["loss.encoder_weight"]}),
        (("base", "loss", "encoder_wieght"), 1),
        (("base", "loss", "encoder_weight"), -1),
        (("base", "training", "epochs"), "many"),
        (("factors", "loss.encoder_weight"), [0.1, "0.2"]),
        (("factors", "loss.classification"), [{"kind": "nl"}]),
        (("seeds",), 0),
        (("metric", "name"), "test/f1"),
    ],
)
def test_what_the_reader_refuses_the_schema_marks(tmp_path: Path, path: tuple[str, ...], value: Any) -> None:
    matrix = copy.deepcopy(LOSS)
    holder = matrix
    for key in path[:-1]:
        holder = holder.setdefault(key, {})
    holder[path[-1]] = value
    assert not VALIDATOR.is_valid(matrix)
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(matrix))
    with pytest.raises(MatrixError):
        load(tmp_path / "m.yaml")


def test_a_new_matrix_is_valid_and_named_after_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    start(path)
    study = load(path)
    assert (study.matrix.study, len(study.cells)) == ("mine", 6)
    text = path.read_text()
    assert f"python -m runners.ablate --matrix {path}" in text
    assert f"# yaml-language-server: $schema={ROOT / 'ablations' / 'matrix.schema.json'}\n" in text
    VALIDATOR.validate(yaml.safe_load(text))
    with pytest.raises(MatrixError, match="exists already"):
        start(path)
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["My Study.yaml", "mine.txt", "nowhere/mine.yaml"])
def test_a_new_matrix_is_not_written_where_it_cannot_be_used(tmp_path: Path, name: str) -> None:
    with pytest.raises(MatrixError):
        start(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
