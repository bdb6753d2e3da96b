"""The reference of a matrix is that of the code, and leaves nothing out."""

from pathlib import Path

from ablations import reference, schema
from ablations.designs import Design
from ablations.examples import DESIGNS
from ablations.matrix import Matrix
from model.base import kinds
from model.config import RunConfig

ROOT = Path(__file__).parents[2]


def test_the_committed_reference_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == reference.page()


def test_every_setting_has_its_row_or_its_kinds_and_every_row_says_what_it_is() -> None:
    run = RunConfig.model_json_schema()
    page = reference.page()
    for path in schema.paths(run, run["$defs"]):
        assert f"| `{path}` |" in page or f"## `{path}`" in page, path
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert [row for row in rows if not row.split(" | ")[-1].strip(" |")] == []


def test_every_key_of_a_matrix_and_every_design_is_there() -> None:
    page = reference.page()
    assert [key for key in Matrix.model_fields if f"| `{key}` |" not in page] == []
    assert set(DESIGNS) == set(kinds(Design))
