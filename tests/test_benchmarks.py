"""The benchmarks that run where torch is and little else."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ablations.study import load
from benchmarks import packs, parity
from benchmarks.cells import loss_cells

ROOT = Path(__file__).parents[1]
# All that `make gpu-check` may do without.
ABSENT = "yaml typer rich ray mlflow pandas matplotlib seaborn scipy_stubs torchjd optuna statsmodels filelock"
CHECK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split():
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import torch
from benchmarks import packs, parity
assert parity.exact(torch.device("cpu"), 2, 2)
cells = packs.loss_cells(epochs=1)[:2]
assert packs.train(cells, torch.device("cpu"), 2) > 0
packs.cell_bytes(cells[0], cells[0].data.load().standardised())
"""


def test_the_cells_of_the_benchmarks_are_those_of_the_loss_study() -> None:
    study = load(ROOT / "ablations" / "loss.yaml")
    assert loss_cells() == [cell.config for cell in study.cells]


def test_the_check_of_a_gpu_needs_torch_and_little_else() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK, ABSENT], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_parity_check_sees_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = parity.fits

    def off(cells: object, size: int, device: torch.device) -> object:
        found = fits(cells, size, device)  # type: ignore[arg-type]
        if size > 1:
            found[0].history[0] = {**found[0].history[0], "dev/accuracy": -1.0}
        return found

    monkeypatch.setattr(parity, "fits", off)
    assert not parity.exact(torch.device("cpu"), 2, 2)


def test_the_table_of_packs_has_every_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(packs, "lone", lambda *_: 5.0)
    cells = loss_cells(epochs=1)
    packs.compare("embedded", packs.Setting("embedded size", cells, (1, 4)), torch.device("cpu"))
    lines = capsys.readouterr().out
    assert [line.split(" | ")[0] for line in lines.splitlines() if line.startswith("| ")][1:] == [
        "| a process per run",
        "| packs of 1",
        "| packs of 4",
    ]
    assert "MiB a cell by the estimate" in lines
