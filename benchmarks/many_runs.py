"""2,000 runs through one study: does the driver's memory stay bounded, and the time of a run the same?

    python -m benchmarks.many_runs [CELLS] [FIGURE]

CELLS (400) cells with 5 seeds, each the cheapest training there is, in this process: all else is measured. Draws
time and memory against the number of runs.
"""

import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import psutil
from matplotlib.figure import Figure
from rich.console import Console

from ablations.study import load
from runners import planner
from runners.driver import Driver
from runners.executors.inprocess import InProcess

FIGURE = Path("docs/images/many_runs.png")
MATRIX = """
study: many
base:
  data: {dialogues: 6, min_dev_dialogues: 0, min_test_dialogues: 0}
  training: {epochs: 1}
  loss: {encoder_weight: 0.001}
factors:
  loss.encoder_weight: [WEIGHTS]
seeds: 5
"""


def measure(cells: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the start, and MiB of this process, when each run is in the store."""
    from runners.tracking import Tracker

    matrix = folder / "many.yaml"
    matrix.write_text(MATRIX.replace("WEIGHTS", ", ".join(f"{(i + 1) / 1000}" for i in range(cells))))
    study = load(matrix)
    process, points = psutil.Process(), []
    end = Tracker._end

    def ended(*arguments: object) -> None:
        end(*arguments)  # type: ignore[arg-type]
        points.append((time.perf_counter(), process.memory_info().rss / 2**20))

    Tracker._end = ended  # type: ignore[method-assign,assignment]
    try:
        driver = Driver(f"sqlite:///{folder}/mlflow.db", InProcess(), Console(quiet=True))
        driver.bring_up_to_date(study, planner.make_plan(study))
    finally:
        Tracker._end = end  # type: ignore[method-assign]
    times, memory = np.array(points).T
    return times - times[0], memory


def draw(times: np.ndarray, memory: np.ndarray, path: Path) -> None:
    """Two panels against the number of runs."""
    window = max(len(times) // 40, 1)
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    panels = figure.subplots(1, 2)
    runs = np.arange(window, len(times))
    panels[0].plot(runs, 1000 * (times[window:] - times[:-window]) / window, color="0.2")
    panels[0].set(ylabel="milliseconds a run", xlabel="runs in the store", ylim=(0, None))
    panels[1].plot(memory, color="0.2")
    panels[1].set(ylabel="memory of the driver (MiB)", xlabel="runs in the store", ylim=(0, None))
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the first and the last quarter, and draw."""
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    mpl.use("agg")
    with tempfile.TemporaryDirectory() as folder:
        times, memory = measure(cells, Path(folder))
    spent, quarter = np.diff(times), len(times) // 4
    first, last = (1000 * part.mean() for part in (spent[:quarter], spent[-quarter:]))
    early, late = (part.mean() for part in (memory[quarter : 2 * quarter], memory[-quarter:]))
    print(
        f"{len(times)} runs in {times[-1]:.0f} s; first quarter {first:.0f} ms a run, last {last:.0f} ms "
        f"({last / first:.2f} x); memory {early:.0f} MiB in the second quarter, {late:.0f} MiB in the last "
        f"({late / early:.2f} x)"
    )
    draw(times, memory, Path(sys.argv[2]) if len(sys.argv) > 2 else FIGURE)


if __name__ == "__main__":
    main()
