"""What a checkpoint takes: seconds to keep and to go on from, size on disk, and how long an epoch takes beside it.

python -m benchmarks.checkpoint
"""

import tempfile
import time
from pathlib import Path

import torch

from benchmarks.cells import loss_cells
from benchmarks.timing import PUBLISHED, medians
from model.config import RunConfig
from model.training import Trainer
from runners.checkpoint import Checkpoint
from runners.checkpoints import Checkpoints

CPU = torch.device("cpu")


def measure(name: str, cells: list[RunConfig], repeats: int) -> None:
    """Print what a checkpoint of these cells takes after two epochs."""
    data, keys = cells[0].data.load().standardised(), [str(i) for i in range(len(cells))]
    trainer, fresh = Trainer(cells, data, 0, CPU), Trainer(cells, data, 0, CPU)
    start = time.perf_counter()
    for epoch in range(2):
        trainer._train(epoch, range(len(cells)), None)
    seconds = (time.perf_counter() - start) / 2
    with tempfile.TemporaryDirectory() as folder:
        kept = Checkpoints(Path(folder) / "study", 60.0)
        path = kept.path(keys)
        checkpoint = Checkpoint(kept, trainer, keys)
        keep, resume = medians(
            lambda: checkpoint._save(path), lambda: Checkpoint(kept, fresh, keys).resume(), repeats=repeats
        )
        size = path.stat().st_size / 2**20
    assert fresh.epoch == 2
    print(f"{name}: {keep:.3f} s to keep, {resume:.3f} s to go on from, {size:.1f} MiB; an epoch takes {seconds:.2f} s")


def main() -> None:
    """Print all."""
    torch.set_num_threads(1)
    measure("one run", loss_cells()[:1], 7)
    measure("a pack of 16", loss_cells()[:16], 7)
    measure("one run at published size", [loss_cells()[0].model_copy(update={"model": PUBLISHED})], 3)


if __name__ == "__main__":
    main()
