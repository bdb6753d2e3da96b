"""The dry run of each committed matrix, as it was reviewed.

``python -m tests.runners.test_golden`` writes the files anew; look at the difference before it is committed.
"""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ablations.study import load
from model.data.file import DataFile
from runners.ablate import app
from tests.test_real_data import DATA

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
MEASURED = re.compile(r"\S+ s a run, about \S+ (s|min|h)")  # by the probe
MATRICES = sorted((ROOT / "ablations").glob("*.yaml"))


def dry_run(path: Path) -> str:
    """What a new user on two cores sees on a wide terminal."""
    arguments = ["--matrix", str(path), "--dry-run", "--jobs", "2", "--tracking-uri", "sqlite:///nowhere/mlflow.db"]
    arguments += [word for file in data_files(path) for word in ("--set", f"data.path={DATA / file}")]
    result = CliRunner(env={"COLUMNS": "140", "NO_COLOR": "1"}).invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return "".join(f"{MEASURED.sub('# s a run, about #', line.rstrip())}\n" for line in result.stdout.splitlines())


def data_files(path: Path) -> set[str]:
    """Names of the files that the matrix needs."""
    sources = (cell.config.source for cell in load(path).cells)
    return {Path(source.path).name for source in sources if isinstance(source, DataFile)}


@pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.stem)
def test_the_dry_run_is_as_it_was_reviewed(path: Path) -> None:
    if not all((DATA / file).is_file() for file in data_files(path)):
        pytest.skip("the real data are not part of the repository")
    assert dry_run(path) == (GOLDEN / f"{path.stem}.txt").read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {path.stem for path in MATRICES}


if __name__ == "__main__":
    for matrix in MATRICES:
        (GOLDEN / f"{matrix.stem}.txt").write_text(dry_run(matrix), encoding="utf-8")
