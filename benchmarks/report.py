"""The report of a study of 10,000 runs, each with 40 epochs of metrics: seconds and peak memory.

    python -m benchmarks.report [SEEDS ...]

200 cells with 50 seeds, then 2,000 cells with 5; or 10,000 runs with other numbers of seeds. One run is trained and
written by the tracker; its rows in the store are then copied, with other scores, for every other cell and seed. Of the
curves in the database, which a report does not read, only those of ``CURVES`` are copied: all would be 25 million rows.
Each run has its whole artifacts, with predictions for the default 600 test dialogues.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection, Row, connect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.executors import Message
    from runners.planner import RunSpec

RUNS, EPOCHS = 10_000, 40
SEEDS = 50, 5
CURVES = "dev/weighted_f1", "dev/accuracy", "train/loss/total"
MATRIX = """
study: scale
base: {{training: {{epochs: {epochs}}}}}
factors:
  loss.encoder_weight: {encoder}
  loss.contrastive.weight: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
  loss.reconstruction: [{{kind: mse}}, {{kind: smooth_l1}}]
  loss.classification: [{{kind: nll}}, {{kind: focal}}]
seeds: {seeds}
"""
Rows = Sequence[Mapping[str, Any]]


def make(folder: Path, seeds: int) -> None:
    """Make the store."""
    from ablations.study import load
    from runners import planner, store
    from runners.tracking import Tracker
    from runners.trial import run_pack

    matrix, uri = folder / "scale.yaml", f"sqlite:///{folder}/mlflow.db"
    encoder = [round(0.05 + 0.01 * i, 2) for i in range(RUNS // seeds // 40)]
    matrix.write_text(MATRIX.format(epochs=EPOCHS, encoder=encoder, seeds=seeds))
    study = load(matrix)
    plan = planner.make_plan(study)
    first, *others = planner.missing_runs(study, plan, ())
    tracker = Tracker(uri, plan, study.text)

    def keep(message: "Message") -> None:
        tracker.write(first, message)

    run_pack(planner.Pack((first,)), 1.0, keep)
    with closing(connect(folder / "mlflow.db")) as connection, connection:
        copy(connection, first.run_key, others)
    store.analyze(uri)


def copy(connection: Connection, run_key: str, others: "Sequence[RunSpec]") -> None:
    """Copy the rows and artifacts of a run, so that each of the others has its own."""
    connection.row_factory = Row
    (made,) = connection.execute("SELECT run_uuid FROM tags WHERE value = ?", [run_key]).fetchone()
    of_run = dict.fromkeys(("runs", "params", "tags", "latest_metrics", "metrics"), "run_uuid")
    for table, column in (of_run | {"inputs": "destination_id"}).items():
        rows = connection.execute(f"SELECT * FROM {table} WHERE {column} = ?", [made]).fetchall()
        places = ", ".join(f":{key}" for key in rows[0].keys())  # noqa: SIM118  # a Row iterates over its values
        connection.executemany(f"INSERT INTO {table} VALUES ({places})", _copies(table, rows, others))
    (uri,) = connection.execute("SELECT artifact_uri FROM runs WHERE run_uuid = ?", [made]).fetchone()
    source = Path(uri.removeprefix("file://"))
    for spec in others:
        shutil.copytree(source, source.parents[1] / _run_id(spec) / source.name, copy_function=os.link)


def _copies(table: str, rows: Rows, others: "Sequence[RunSpec]") -> Iterator[dict[str, Any]]:
    import numpy as np

    noise = np.random.default_rng(0).normal(scale=0.02, size=len(others))
    for spec, shift in zip(others, noise, strict=True):
        for row in map(dict, rows):
            if table == "metrics" and row["key"] not in CURVES:
                continue
            yield row | _changes(table, row, spec, float(shift))


def _changes(table: str, row: Mapping[str, Any], spec: "RunSpec", shift: float) -> dict[str, Any]:
    from ablations.record import Tag

    run_id = _run_id(spec)
    if table == "inputs":
        return {"input_uuid": run_id, "destination_id": run_id}
    if table == "runs":
        return {
            "run_uuid": run_id,
            "name": spec.name,
            "artifact_uri": row["artifact_uri"].replace(row["run_uuid"], run_id),
        }
    if table == "latest_metrics" and row["key"].startswith("test/"):
        return {"run_uuid": run_id, "value": row["value"] + shift}
    own: dict[str, str] = {Tag.CELL: spec.cell_id, Tag.SEED: str(spec.seed), Tag.RUN_KEY: spec.run_key}
    return {"run_uuid": run_id} | ({"value": own[row["key"]]} if table == "tags" and row["key"] in own else {})


def _run_id(spec: "RunSpec") -> str:
    return f"{spec.run_key}{spec.seed:020d}"


def measure(seeds: int) -> str:
    """Make a store in a process of its own, so that its memory is not that of the report; what the report costs."""
    with tempfile.TemporaryDirectory() as folder:
        code = f"from pathlib import Path; from benchmarks.report import make; make(Path({folder!r}), {seeds})"
        subprocess.run([sys.executable, "-c", code], check=True)
        command = ["-m", "analysis.report", "--study", "scale", "--out", f"{folder}/paper"]
        start = time.perf_counter()
        report = subprocess.Popen(
            [sys.executable, *command, "--tracking-uri", f"sqlite:///{folder}/mlflow.db"], stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(report.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"the report failed: {os.waitstatus_to_exitcode(status)}")
    processor, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20
    return (
        f"{RUNS // seeds} cells x {seeds} seeds x {EPOCHS} epochs: {seconds:.1f} s ({processor:.1f} s of processors), "
        f"{memory:.2f} GiB"
    )


def main() -> None:
    """Print what each costs."""
    for seeds in map(int, sys.argv[1:] or SEEDS):
        print(measure(seeds), flush=True)


if __name__ == "__main__":
    main()
