"""Runs per hour by the size of a pack: cells of the loss study as one batched computation, against one after the other.

    python -m benchmarks.packs [cpu|cuda]

At the size of the embedded data, and with its conversations at the published size of the network. One process, one
thread, without Ray and MLflow; the sizes take turns, so that a change of the machine's speed meets all.
"""

import sys
import time
from pathlib import Path

import torch

from ablations.study import load
from benchmarks.timing import PUBLISHED
from model.config import RunConfig
from model.training import Trainer

EMBEDDED, LARGE = (1, 4, 16, 64), (1, 4)
EPOCHS = 2


def compare(name: str, cells: list[RunConfig], sizes: tuple[int, ...], device: torch.device) -> None:
    """Print runs per hour of each size, and their ratio to size 1."""
    dataset = cells[0].data.load().standardised()
    Trainer(cells[:1], dataset, 0, device).fit()
    seconds = {}
    for size in sizes:
        start = time.perf_counter()
        # Enough of them to be sure, few enough to wait for.
        count = max(size, 4)
        for first in range(0, count, size):
            Trainer(cells[first : first + size], dataset, 0, device).fit()
        seconds[size] = (time.perf_counter() - start) / count
    print(f"{name}, {device}, {EPOCHS} epochs")
    for size, each in seconds.items():
        print(f"  packs of {size:2}: {3600 / each:8.0f} runs an hour, {seconds[sizes[0]] / each:.2f}x")


def main() -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else default)
    study = load(Path("ablations/loss.yaml"), [f"training.epochs={EPOCHS}"])
    cells = [cell.config for cell in study.cells]
    compare("embedded size", cells, EMBEDDED, device)
    large = [cell.model_copy(update={"model": PUBLISHED}) for cell in cells]
    compare("published size", large, EMBEDDED if device.type == "cuda" else LARGE, device)


if __name__ == "__main__":
    main()
