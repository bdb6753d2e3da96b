"""Checkpoints: an interrupted study goes on where it was, to the results that it would have had."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from ablations.record import HISTORY_FILE, PREDICTIONS_FILE, Kind, RunRecord, Tag
from ablations.study import load
from analysis.runs import Store as Reader
from benchmarks.torture import values
from runners import checkpoint, checkpoints, ledger, planner, trial
from runners.checkpoints import Checkpoints, Interrupted
from runners.driver import Driver
from runners.executors import Message, Progress
from runners.executors.inprocess import InProcess
from runners.interruption import Grace
from runners.planner import Pack, RunSpec, Slots, make_packs
from runners.terms import Terms
from runners.tracking import Tracker
from tests.runners.conftest import SMOKE

ROOT = Path(__file__).parents[2]
OFTEN = 1e-9
RESUMED = "resumed_after_epochs"
EPOCHS = 60
LONG = SMOKE.replace("epochs: 2", f"epochs: {EPOCHS}").replace("seeds: 2", "seeds: 1")


@pytest.fixture(autouse=True)
def _whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "COST", 1e9)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    (tmp_path / "m.yaml").write_text(SMOKE.replace("epochs: 2", "epochs: 4").replace("seeds: 2", "seeds: 1"))
    study = load(tmp_path / "m.yaml")
    return Pack(tuple(planner.missing_runs(study, planner.make_plan(study), ())))


class Stopping(Checkpoints):
    """The driver asks for the end after some epochs."""

    def stop_after(self, epochs: int) -> "Stopping":
        object.__setattr__(self, "left", epochs)
        return self

    def stop_requested(self) -> bool:
        left: int = self.left  # type: ignore[attr-defined]
        object.__setattr__(self, "left", left - 1)
        return left == 0


def trained(pack: Pack, kept: Checkpoints) -> tuple[dict[str, RunRecord], list[Message]]:
    messages: list[Message] = []
    trial.run_pack(pack, 1.0, messages.append, kept)
    return {m.run_key: m for m in messages if isinstance(m, RunRecord)}, messages


def interrupted(pack: Pack, folder: Path, epochs: int) -> Path:
    """Train some epochs; returns the checkpoint."""
    with pytest.raises(Interrupted):
        trial.run_pack(pack, 1.0, lambda _: None, Stopping(folder, 3600.0).stop_after(epochs))
    (path,) = folder.glob("*.pt")
    return path


def results(records: dict[str, RunRecord]) -> dict[str, Any]:
    return {key: (record.history, record.final, record.predictions) for key, record in records.items()}


def test_a_trial_that_is_asked_to_stop_keeps_its_state_and_goes_on_to_the_same_bits(pack: Pack, tmp_path: Path) -> None:
    whole, _ = trained(pack, checkpoints.OFF)
    interrupted(pack, tmp_path / "c", 3)
    kept = Checkpoints(tmp_path / "c", 3600.0)
    keys = [run.run_key for run in pack.runs]
    assert kept.groups([*keys, "another"]) == [tuple(keys)]
    assert kept.groups(keys[1:]) == []
    assert Checkpoints(tmp_path / "c", 0.0).groups(keys) == []
    records, _ = trained(pack, kept)
    assert results(records) == results(whole)
    assert {record.environment[RESUMED] for record in records.values()} == {"3"}
    kept.drop("another")
    assert len(list((tmp_path / "c").iterdir())) == 2
    kept.drop(keys[1])
    assert not (tmp_path / "c").exists()


def test_the_history_of_what_went_on_is_sent_whole_and_once(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(pack, tmp_path / "c", 2)
    monkeypatch.setattr(trial, "PROGRESS_SECONDS", -1.0)
    records, messages = trained(pack, Checkpoints(tmp_path / "c", 3600.0))
    for key, record in records.items():
        pieces = [message for message in messages if isinstance(message, Progress) and message.run_key == key]
        assert [message.first for message in pieces] == [0, 3]
        assert tuple(metrics for message in pieces for metrics in message.history) == record.history
        assert len(record.history) == 4


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def malicious(path: Path) -> None:
    import torch

    class Runs:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
            return os.mkdir, (f"{path}.ran",)

    torch.save({"origin": Runs()}, path)


def of_another_version(path: Path) -> None:
    import torch

    content = torch.load(path, weights_only=True)
    torch.save(content | {"origin": content["origin"] | {"torch": "1.0"}}, path)


def foreign(path: Path) -> None:
    import torch

    torch.save([1.0], path)


@pytest.mark.parametrize("damage", [torn, flipped, empty, malicious, of_another_version, foreign])
def test_a_checkpoint_that_cannot_be_trusted_is_ignored(
    pack: Pack, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    whole, _ = trained(pack, checkpoints.OFF)
    path = interrupted(pack, tmp_path / "c", 2)
    damage(path)
    with caplog.at_level(logging.WARNING):
        records, _ = trained(pack, Checkpoints(tmp_path / "c", 3600.0))
    assert f"the checkpoint {path}" in caplog.text
    assert results(records) == results(whole)
    assert RESUMED not in next(iter(records.values())).environment
    assert not Path(f"{path}.ran").exists()


def test_a_folder_that_cannot_be_written_costs_no_result(
    pack: Pack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    kept = Checkpoints(tmp_path / "file" / "c", OFTEN)
    records, _ = trained(pack, kept)
    assert results(records) == results(trained(pack, checkpoints.OFF)[0])
    assert "no checkpoint can be kept" in caplog.text
    assert not kept.request_stop()


def test_what_has_begun_together_goes_on_together_first(pack: Pack) -> None:
    runs, keys = pack.runs, [run.run_key for run in pack.runs]
    sizes = Slots(jobs=1, largest=None)
    assert [len(found.runs) for found in make_packs(runs, sizes)] == [2, 2]
    begun = [(keys[3], keys[0], keys[2]), (keys[0], keys[1]), ("another", keys[1])]
    assert make_packs(runs, sizes, begun) == [Pack((runs[3], runs[0], runs[2])), Pack((runs[1],))]
    assert [len(found.runs) for found in make_packs(runs, Slots(1, largest=2), begun)] == [2, 2]


def test_checkpoints_are_made_no_more_often_than_said_and_than_they_may_cost(
    pack: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write = checkpoint._write

    def spy(path: Path, content: Any) -> None:
        made.append(path)
        write(path, content)

    monkeypatch.setattr(checkpoint, "_write", spy)
    for every, cost, expected in ((OFTEN, 1e9, 3), (3600.0, 1e9, 0), (OFTEN, 1e-9, 1)):
        monkeypatch.setattr(checkpoint, "COST", cost)
        made.clear()
        trained(pack, Checkpoints(tmp_path / f"{every}-{cost}", every))
        assert [path.suffix for path in made].count(".pt") == expected


def test_what_is_of_no_use_is_removed(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c", 60.0)
    (tmp_path / "c").mkdir()
    for name in ("a.pt", "a.json", "b.pt.tmp"):
        (tmp_path / "c" / name).touch()
    for seconds, left in ((60, {"a.pt", "a.json", "b.pt.tmp"}), (3600, {"a.pt", "a.json"}), (1e8, set())):
        for path in (tmp_path / "c").iterdir():
            os.utime(path, (time.time() - seconds, time.time() - seconds))
        with kept.in_use():
            assert {path.name for path in (tmp_path / "c").glob("*")} == left
    assert not (tmp_path / "c").exists()


def test_each_driver_stops_its_own_trials(tmp_path: Path) -> None:
    one, other = Checkpoints(tmp_path, 1.0), Checkpoints(tmp_path, 1.0)
    assert one.request_stop()
    assert one.stop_requested()
    assert not other.stop_requested()
    with one.in_use():
        pass
    assert not one.stop_requested()
    assert not checkpoints.OFF.request_stop()


@pytest.mark.parametrize(
    ("uri", "folder", "shared", "expected"),
    [
        ("sqlite:////x/mlflow.db", None, True, Path("/x/checkpoints/s")),
        ("sqlite:////x/mlflow.db", None, False, None),
        ("sqlite:////x/mlflow.db", Path("/y"), False, Path("/y/s")),
        ("http://server", None, True, None),
        ("http://server", Path("/y"), True, Path("/y/s")),
    ],
)
def test_they_are_where_all_trials_reach_them(uri: str, folder: Path | None, shared: bool, expected: Path) -> None:
    assert checkpoints.beside(uri, "s", folder, 1.0, shared).folder == expected


def test_a_driver_that_asks_for_the_end_goes_on_later(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(LONG.replace(str(EPOCHS), "4"))
    study = load(tmp_path / "m.yaml")
    plan = planner.make_plan(study)
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def driver(kept: Checkpoints) -> Driver:
        return Driver(uri, InProcess(kept), Console(quiet=True), Terms(largest=4), grace=Grace(0.01, 60.0))

    class Ended(Stopping):
        def stop_requested(self) -> bool:
            if super().stop_requested():
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.2)
            return Checkpoints.stop_requested(self)

    folder = tmp_path / "checkpoints"
    with pytest.raises(KeyboardInterrupt):
        driver(Ended(folder, 3600.0).stop_after(2)).bring_up_to_date(study, plan)
    assert not ledger.read(uri, "tiny").done()
    # Whatever the size of packs would be now.
    assert Driver(uri, InProcess(Checkpoints(folder, 60.0)), Console(quiet=True)).bring_up_to_date(study, plan) == 0
    assert {tags(uri, run_id)[RESUMED] for run_id in finished(uri).values()} == {"2"}
    assert not folder.exists()


def start(folder: Path) -> "subprocess.Popen[str]":
    """A study in a process of its own, which keeps a checkpoint after each epoch and often tells how far it is."""
    code = (
        "import sys; from runners import checkpoint, trial; from runners.ablate import app; checkpoint.COST = 1e9; "
        "trial.PROGRESS_SECONDS = 0.3; app(sys.argv[1:])"
    )
    options = ["--matrix", "m.yaml", "--executor", "inprocess", "--pack", "4", "--checkpoint-every", str(OFTEN)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *options], cwd=folder, stderr=subprocess.PIPE, text=True,
        env=environment | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def finished(uri: str) -> dict[str, str]:
    return {run.tags[Tag.RUN_KEY]: run.run_id for run in ledger.read(uri, "tiny").complete(Kind.CELL)}


def statuses(uri: str) -> Counter[str]:
    return Counter(run.status for run in ledger.read(uri, "tiny").of(Kind.CELL))


def tags(uri: str, run_id: str) -> dict[str, str]:
    return dict(MlflowClient(uri).get_run(run_id).data.tags)


def kept_of(uri: str) -> dict[str, Any]:
    """All that the store has of the results, by run key."""
    client = MlflowClient(uri)
    return {
        key: (
            client.get_run(run_id).data.metrics,
            [(point.step, point.value) for point in client.get_metric_history(run_id, "train/loss/total")],
            [Reader(uri).reader.contents(run_id, name) for name in (HISTORY_FILE, PREDICTIONS_FILE)],
        )
        for key, run_id in finished(uri).items()
    }


def test_a_study_that_was_killed_goes_on_with_the_results_of_one_that_was_not(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(LONG)
    uri, other = f"sqlite:///{tmp_path}/mlruns/mlflow.db", f"sqlite:///{tmp_path}/other.db"
    folder = tmp_path / "mlruns" / "checkpoints" / "tiny"
    process = start(tmp_path)
    deadline = time.monotonic() + 100
    while not (statuses(uri) and list(folder.glob("*.pt"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not finished(uri)
    _, errors = start(tmp_path).communicate()
    assert "4 runs go on from checkpoints" in errors
    assert "4/4 runs, 0 failed" in errors
    assert statuses(uri)["FINISHED"] == 4
    assert statuses(uri).keys() == {"FINISHED", "KILLED"}
    (begun,) = {int(tags(uri, run_id)[RESUMED]) for run_id in finished(uri).values()}
    assert 1 <= begun < EPOCHS
    assert not folder.exists()

    study = load(tmp_path / "m.yaml")
    Driver(other, InProcess(), Console(quiet=True), Terms(largest=4)).bring_up_to_date(study, planner.make_plan(study))
    found = kept_of(uri)
    assert found == kept_of(other)
    assert [[step for step, _ in points] for _, points, _ in found.values()] == [list(range(EPOCHS))] * 4


SIX = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 3}}
factors:
  loss.classification: [{kind: nll}, {kind: focal}]
  loss.encoder_weight: [0.05, 0.1, 0.5]
seeds: 1
"""


def test_what_is_left_of_a_pack_is_trained_with_the_rest_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.yaml").write_text(SIX)
    study = load(tmp_path / "m.yaml")
    plan = planner.make_plan(study)
    packs: list[set[str]] = []

    def spied(pack: Pack, *arguments: Any) -> None:
        packs.append({run.run_key for run in pack.runs})
        original(pack, *arguments)

    original = trial.run_pack
    monkeypatch.setattr(trial, "run_pack", spied)

    def driver(name: str) -> Driver:
        (tmp_path / name).mkdir(exist_ok=True)
        kept = Checkpoints(tmp_path / name / "c", 3600.0)
        return Driver(f"sqlite:///{tmp_path}/{name}/mlflow.db", InProcess(kept), Console(quiet=True))

    assert driver("quiet").bring_up_to_date(study, plan) == 0
    divided, packs[:] = [*packs], []
    assert sorted(map(len, divided)) == [3, 3]

    written = Counter[str]()
    write = Tracker.write

    def killed(self: Tracker, spec: RunSpec, message: Message, *more: Any) -> bool:
        written[spec.run_key] += 1
        if len(written) == 5:  # of the second pack one is in the store
            raise SystemExit
        return write(self, spec, message, *more)

    monkeypatch.setattr(Tracker, "write", killed)
    with pytest.raises(SystemExit):
        driver("killed").bring_up_to_date(study, plan)
    monkeypatch.setattr(Tracker, "write", write)
    packs.clear()
    assert driver("killed").bring_up_to_date(study, plan) == 0
    assert packs == [divided[1]]
    assert values(tmp_path / "killed") == values(tmp_path / "quiet")
    assert len({key for key, _, _ in values(tmp_path / "killed")}) == 6
    assert not (tmp_path / "killed" / "c").exists()
