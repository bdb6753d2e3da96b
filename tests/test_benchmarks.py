"""The benchmarks that run where torch is and little else."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import torch

from ablations.study import load
from benchmarks import packs, parity
from benchmarks.cells import loss_cells

ROOT = Path(__file__).parents[1]
# All that `make gpu-check` may do without.
ABSENT = [
    "yaml",
    "typer",
    "rich",
    "ray",
    "mlflow",
    "pandas",
    "matplotlib",
    "seaborn",
    "torchjd",
    "optuna",
    "statsmodels",
    "filelock",
    "cvxpy",
]
CHECK = """
import importlib.util, sys
assert not any(map(importlib.util.find_spec, sys.argv[1:])), "something is there that should not"
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


def test_the_check_of_a_gpu_needs_torch_and_little_else(tmp_path: Path) -> None:
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name not in ABSENT:
            (tmp_path / entry.name).symlink_to(entry)
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-S", "-c", CHECK, *ABSENT]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | path, capture_output=True, text=True, check=False)
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
