"""Kills a study at random moments, and looks whether anything was lost or done twice.

    python -m benchmarks.torture [KILLS] [SEED]

Each time a study of 24 runs is started in a store of its own, its driver or a random process of a trial is killed with
SIGKILL at a random moment, and the command is given again. At the end there must be 24 finished runs, one for each run
key, with the metrics and the history of a study that nobody disturbed, to the bit. Exit code 1 if not.
"""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from ablations.record import Tag
from runners import ledger
from runners.store import connect

STUDY = "torture"
MATRIX = """
study: torture
base: {data: {dialogues: DIALOGUES, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: EPOCHS}}
factors:
  loss.classification: [{kind: nll}, {kind: focal}]
  loss.encoder_weight: [0.05, 0.1, 0.5]
seeds: 4
"""
NOTHING = "nothing"
METRICS = """
SELECT t.value, m.key, m.step, m.value, m.is_nan FROM runs r
JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = ? JOIN metrics m ON m.run_uuid = r.run_uuid
LEFT JOIN tags s ON s.run_uuid = r.run_uuid AND s.key = ?
WHERE r.status = 'FINISHED' AND s.value IS NULL
"""

Values = dict[tuple[str, str, int], tuple[float, bool]]


@dataclass(frozen=True)
class Blow:
    """One kill and what came of it.

    Attributes:
        victim: what was killed; NOTHING if the study had ended or trained nothing.
        seconds: after the start.
        finished: runs that the store had then.
        tried: runs that the store has in the end, whatever became of them.
        faults: what is wrong in the end; empty if nothing is.
    """

    victim: str
    seconds: float
    finished: int
    tried: int
    faults: tuple[str, ...]


def start(folder: Path, *more: str) -> "subprocess.Popen[bytes]":
    """The command, on the store in a folder, with more arguments."""
    command = [
        sys.executable,
        "-m",
        "runners.ablate",
        "--matrix",
        str(folder / "m.yaml"),
        "--tracking-uri",
        uri(folder),
    ]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen([*command, "--checkpoint-every", "1", *more], stdout=log, stderr=log, env=environment)


def uri(folder: Path) -> str:
    """Of the store in a folder."""
    return f"sqlite:///{folder}/mlflow.db"


def matrix(dialogues: int = 60, epochs: int = 12) -> str:
    """Of 24 runs."""
    return MATRIX.replace("DIALOGUES", str(dialogues)).replace("EPOCHS", str(epochs))


def new_store(folder: Path, template: Path, text: str) -> Path:
    """A folder with the matrix and an empty store."""
    folder.mkdir()
    shutil.copy(template, folder / "mlflow.db")
    (folder / "m.yaml").write_text(text, encoding="utf-8")
    return folder


def empty_store(folder: Path) -> Path:
    """A store to copy: to make one takes seconds."""
    connect(uri(folder))
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "mlflow.db"


def values(folder: Path) -> Values:
    """Every point of every metric of the runs that count, by run key, name and epoch."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        rows = connection.execute(METRICS, [Tag.RUN_KEY, Tag.SUPERSEDED]).fetchall()
    return {(key, name, step): (value, bool(nan)) for key, name, step, value, nan in rows}


def strike(folder: Path, moment: Callable[[int], object], driver: bool, undisturbed: Values) -> Blow:
    """Start the study, kill one of its processes, start it again at once, and look.

    Args:
        folder: of the store.
        moment: waits for it, with the id of the driver's process.
        driver: whether to kill the driver, or a process that trains.
        undisturbed: the values that there should be in the end.
    """
    began = time.monotonic()
    study = start(folder)
    moment(study.pid)
    seconds = time.monotonic() - began
    victims = [] if study.poll() is not None else [psutil.Process(study.pid)] if driver else trials(study.pid)
    victim = NOTHING
    if victims:
        victim = "the driver" if driver else "a worker"
        with contextlib.suppress(psutil.NoSuchProcess):
            victims[0].kill()
    finished = len(ledger.read(uri(folder), STUDY).done())
    study.wait()
    code = start(folder).wait()
    tried = sum(Tag.RUN_KEY in run.tags for run in ledger.read(uri(folder), STUDY).runs)
    return Blow(victim, seconds, finished, tried, tuple(faults(folder, code, undisturbed)))


def trials(process: int) -> list[psutil.Process]:
    """The processes that train, below that of a driver or of a node of a cluster."""
    found = []
    for child in psutil.Process(process).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += [child] if " ".join(child.cmdline()).startswith("ray::ImplicitFunc") else []
    return found


def faults(folder: Path, code: int, undisturbed: Values) -> list[str]:
    """What is wrong with a study that ended with an exit code, if it should be as the undisturbed one."""
    runs, found = ledger.read(uri(folder), STUDY), values(folder)
    keys = {key for key, _, _ in undisturbed}
    counts = Counter(run.tags[Tag.RUN_KEY] for run in runs.complete())
    wrong = [f"exit code {code}"] if code else []
    wrong += [f"{key} finished {count} times" for key, count in counts.items() if count > 1]
    wrong += [f"{key} is not finished" for key in keys - counts.keys()]
    wrong += [f"run {run.run_id} is still {run.status}" for run in runs.runs if run.status == "RUNNING"]
    differ = {key for key, *_ in {k for k in undisturbed.keys() | found.keys() if undisturbed.get(k) != found.get(k)}}
    return wrong + [f"the metrics of {key} differ" for key in sorted(differ)]


def _after(seconds: float) -> Callable[[int], object]:
    return lambda _: time.sleep(seconds)


def main() -> int:
    """Print a line for each kill and a summary; returns the exit code."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        template = empty_store(root)
        folder = new_store(root / "undisturbed", template, matrix())
        began = time.perf_counter()
        if start(folder).wait():
            print((folder / "log.txt").read_text())
            return 1
        seconds = time.perf_counter() - began
        undisturbed = values(folder)
        print(f"undisturbed: {len({key for key, _, _ in undisturbed})} runs in {seconds:.0f} s", flush=True)
        blows: list[Blow] = []
        number = 0
        while len(blows) < kills:
            folder = new_store(root / str(number := number + 1), template, matrix())
            blow = strike(folder, _after(chance.uniform(0, seconds)), chance.random() < 0.5, undisturbed)
            if blow.victim == NOTHING and not blow.faults:
                continue  # it had ended: another moment
            result = "; ".join(blow.faults) or "as undisturbed"
            print(
                f"{len(blows) + 1:2}  {blow.victim:10} after {blow.seconds:4.1f} s, {blow.finished:2} finished, "
                f"{blow.tried} tried: {result}",
                flush=True,
            )
            if blow.faults:
                print((folder / "log.txt").read_text(), flush=True)
            blows.append(blow)
    victims = Counter(blow.victim for blow in blows)
    bad = sum(bool(blow.faults) for blow in blows)
    print(f"{dict(victims)}; studies with a fault: {bad}; runs begun beyond 24: {sum(b.tried - 24 for b in blows)}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
