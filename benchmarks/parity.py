"""Whether packs give on this machine's device what single runs give: all cells of the loss study.

    python -m benchmarks.parity [cpu|cuda]

In double precision every metric must agree to 1e-6 and every prediction must be the same; on a GPU sums are made in an
order that changes from one call to the next, so that a difference of rounding is no error. Exit code 1 if they do not.
In single precision, tf32 and bf16 the losses must be near, and the largest difference is printed.
"""

import sys
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.cells import loss_cells
from model.config import RunConfig
from model.training import Fit, Trainer

EPOCHS, PACK = 5, 64
TOLERANCE = 1e-6
NEAR = {"fp32": 0.05, "tf32": 0.05, "bf16": 0.1}  # of the total loss, relative


def fits(cells: Sequence[RunConfig], size: int, device: torch.device) -> list[Fit]:
    """Of all cells, in packs of a size."""
    dataset = cells[0].data.load().standardised()
    return [
        fit
        for first in range(0, len(cells), size)
        for fit in Trainer(cells[first : first + size], dataset, 0, device).fit()
    ]


def difference(alone: Fit, together: Fit) -> float:
    """Largest of all metrics of all epochs."""
    pairs = zip(alone.history, together.history, strict=True)
    return max(float(np.abs(np.array([*a.values()]) - np.array([*b.values()])).max()) for a, b in pairs)


def exact(device: torch.device, size: int = PACK, count: int = PACK) -> bool:
    """Whether packs in double precision give what single runs give; prints the largest difference."""
    cells = loss_cells(epochs=EPOCHS, precision="fp64")[:count]
    pairs = list(zip(fits(cells, 1, device), fits(cells, size, device), strict=True))
    largest = max(difference(alone, together) for alone, together in pairs)
    same = all(a.test and b.test and np.array_equal(a.test.predicted, b.test.predicted) for a, b in pairs)
    print(f"fp64: {count} cells in packs of {size}: metrics differ by {largest:.1e}, same predictions: {same}")
    return same and largest < TOLERANCE


def near(device: torch.device, precision: str, count: int = PACK) -> bool:
    """Whether total losses are near in a coarser precision; prints the largest relative difference."""
    cells = loss_cells(epochs=EPOCHS, precision=precision)[:count]
    pairs = zip(fits(cells, 1, device), fits(cells, count, device), strict=True)
    totals = [[fit.history[-1]["train/loss/total"] for fit in pair] for pair in pairs]
    largest = max(abs(a - b) / abs(a) for a, b in totals)
    print(f"{precision}: total losses of the last epoch differ by {largest:.1e} at most")
    return largest < NEAR[precision]


def main() -> None:
    """Check all."""
    torch.set_num_threads(1)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else default)
    print(f"parity on {torch.cuda.get_device_name(device) if device.type == 'cuda' else 'cpu'}")
    good = [exact(device), *(near(device, precision) for precision in NEAR)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
