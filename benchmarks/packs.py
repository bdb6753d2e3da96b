"""Runs per hour by the size of a pack: cells of the loss study as one batched computation, against a process per run.

    python -m benchmarks.packs [cpu|cuda]

At the size of the embedded data, and with its conversations at the published size of the network; without Ray and
MLflow. The process per run is what a shell loop does: it starts, imports, trains one run and ends. All else is in one
process with one thread. The sizes take turns, so that a change of the machine's speed meets all.
"""

import subprocess
import sys
import time
from typing import NamedTuple

import torch

from benchmarks.cells import loss_cells
from benchmarks.timing import PUBLISHED
from model.config import RunConfig
from model.memory import cell_bytes
from model.training import Trainer

SIZES = (1, 4, 16, 64)
BAR = 40  # characters
LONE = "--lone"


class Setting(NamedTuple):
    """What is timed: a name, the cells, the sizes of the packs."""

    name: str
    cells: list[RunConfig]
    sizes: tuple[int, ...]


def settings(device: torch.device) -> dict[str, Setting]:
    """By name; runs of whole length but for the published size on a CPU, whose packs of 64 take a GPU's memory."""
    cuda = device.type == "cuda"
    embedded, large = loss_cells(), loss_cells() if cuda else loss_cells(epochs=1)
    published = [cell.model_copy(update={"model": PUBLISHED}) for cell in large]
    return {
        "embedded": Setting("embedded size", embedded, SIZES),
        "published": Setting("published size", published, SIZES if cuda else (1, 4)),
    }


def train(cells: list[RunConfig], device: torch.device, size: int) -> float:
    """Seconds a run in packs of a size."""
    dataset = cells[0].data.load().standardised()
    start = time.perf_counter()
    for first in range(0, len(cells), size):
        Trainer(cells[first : first + size], dataset, 0, device).fit()
    return (time.perf_counter() - start) / len(cells)


def lone(name: str, device: torch.device) -> float:
    """Seconds of a process that trains one run."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchmarks.packs", device.type, LONE, name], check=True)
    return time.perf_counter() - start


def compare(key: str, setting: Setting, device: torch.device) -> None:
    """Print runs per hour of each way, as a table and as bars."""
    train(setting.cells[:1], device, 1)
    seconds = {"a process per run": lone(key, device)}
    for size in setting.sizes:
        # Enough of them to be sure, few enough to wait for.
        seconds[f"packs of {size}"] = train(setting.cells[: max(size, 4)], device, size)
    slowest, fastest = seconds["a process per run"], min(seconds.values())
    print(f"\n{setting.name}, {_name(device)}, {setting.cells[0].training.epochs} epochs a run\n")
    print("| | s a run | runs an hour | ratio | |\n|---|---|---|---|---|")
    for way, each in seconds.items():
        bar = "#" * round(BAR * fastest / each)
        print(f"| {way} | {each:.2f} | {3600 / each:.0f} | {slowest / each:.1f} | {bar} |")
    print(f"\n{_memory(setting, device)}")


def _memory(setting: Setting, device: torch.device) -> str:
    """The estimate of a cell's memory, and on a GPU what the largest pack took."""
    estimate = cell_bytes(setting.cells[0], setting.cells[0].data.load().standardised()) / 2**20
    if device.type != "cuda":
        return f"memory: {estimate:.0f} MiB a cell by the estimate"
    torch.cuda.reset_peak_memory_stats()
    train(setting.cells[: setting.sizes[-1]], device, setting.sizes[-1])
    taken = torch.cuda.max_memory_allocated() / 2**20 / setting.sizes[-1]
    return f"memory: {estimate:.0f} MiB a cell by the estimate, {taken:.0f} MiB taken"


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def main() -> None:
    """Print all tables."""
    torch.set_num_threads(1)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else default)
    known = settings(device)
    if LONE in sys.argv:
        train(known[sys.argv[-1]].cells[:1], device, 1)
        return
    for key, setting in known.items():
        compare(key, setting, device)


if __name__ == "__main__":
    main()
