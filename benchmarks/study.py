"""The whole loss study, logging included, against the bare training of the same runs in a loop.

    python -m benchmarks.study [SEEDS]

The loop trains run after run in one process with one thread and keeps nothing; the study runs as a user runs it, with
all cores, into a new store. Both in one go; with SEEDS less than 5 it is the same study with fewer seeds.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from ablations.study import load
from model.training import train
from runners import planner

MATRIX = Path("ablations/loss.yaml")


def bare(seeds: int) -> tuple[int, float]:
    """Number of runs and seconds of the loop."""
    torch.set_num_threads(1)
    study = load(MATRIX, seeds=range(seeds))
    runs = planner.missing_runs(study, planner.make_plan(study), ())
    dataset = study.baseline.config.source.load().standardised()
    train(runs[0].config, dataset, 0, torch.device("cpu"))
    start = time.perf_counter()
    for run in runs:
        train(run.config, dataset, run.seed, torch.device("cpu"))
    return len(runs), time.perf_counter() - start


def whole(seeds: int) -> float:
    """Seconds of the study, from the command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/mlflow.db"
        command = ["-m", "runners.ablate", "--matrix", str(MATRIX), "--seeds", str(seeds), "--tracking-uri", store]
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True)
        return time.perf_counter() - start


def main() -> None:
    """Print both and the ratio."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    runs, loop = bare(seeds)
    study = whole(seeds)
    print(
        f"{runs} runs: bare loop {loop:.0f} s, study {study:.0f} s ({60 * runs / study:.0f} a minute); "
        f"ratio {study / loop:.2f}"
    )


if __name__ == "__main__":
    main()
