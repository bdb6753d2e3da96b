"""The estimate of what a cell takes is near what packs take."""

import subprocess
import sys

from model.config import RunConfig
from model.memory import cell_bytes

SIZES = {"fusion": {"kind": "auto_fusion", "projection": 200, "hidden": 1024, "latent": 256}, "graph": {"hidden": 64}}
CONFIG = {
    "data": {"kind": "synthetic", "dialogues": 40, "min_dev_dialogues": 0, "min_test_dialogues": 0},
    "model": SIZES,
    "training": {"batch_size": 16, "epochs": 1},
}
PEAK = """
import sys, torch
from model.config import RunConfig
from model.training import Trainer
from runners.peak_memory import peak_memory
torch.set_num_threads(1)
config = RunConfig.model_validate_json(sys.argv[1])
Trainer([config] * int(sys.argv[2]), config.data.load().standardised(), 0, torch.device("cpu")).fit()
print(peak_memory())
"""


def peak(cells: int) -> int:
    config = RunConfig.model_validate(CONFIG).model_dump_json()
    done = subprocess.run([sys.executable, "-c", PEAK, config, str(cells)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_the_estimate_is_near_what_a_cell_adds_to_the_peak() -> None:
    config = RunConfig.model_validate(CONFIG)
    each = (peak(8) - peak(2)) / 6
    # What the process holds depends on when the allocator gives memory back.
    assert 0.7 < cell_bytes(config, config.data.load().standardised()) / each < 2


def test_the_estimate_grows_with_the_batch() -> None:
    config = RunConfig.model_validate(CONFIG)
    dataset = config.data.load().standardised()
    small = config.model_copy(update={"training": config.training.model_copy(update={"batch_size": 2})})
    assert cell_bytes(small, dataset) < cell_bytes(config, dataset)
