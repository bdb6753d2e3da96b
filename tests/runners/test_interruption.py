"""Interruptions: once in order, twice at once, and what has arrived is written whole."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ablations.record import Kind
from runners import ledger
from runners.interruption import Grace, Interruption
from tests.runners.conftest import SMOKE
from tests.runners.drivers import ROOT, until


@dataclass
class Work:
    """What is interrupted."""

    running: Callable[[], int]
    happened: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.happened.append(text)

    def stop(self) -> None:
        self.happened.append("stop")

    def hurry(self) -> None:
        self.happened.append("hurry")


def stopping(grace: Grace) -> str:
    return (
        f"stopping: nothing new starts, and the 3 runs that have begun get {grace.quick:g} s to end, then "
        f"{grace.last:g} s to keep a checkpoint. Ctrl-C again stops now, at the checkpoints that there are; either way "
        f"what is finished is kept, and the same command goes on."
    )


STOPPING = stopping(Grace())


def interrupt(number: signal.Signals = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_what_runs_end(number: signal.Signals) -> None:
    interruption, work = Interruption(Grace()), Work(lambda: 3)
    with pytest.raises(KeyboardInterrupt), interruption.caught():
        with interruption.of(work):
            interrupt(number)
            assert interruption.stopping
            work.happened.append("ended")
        work.happened.append("never")
    assert work.happened == [STOPPING, "stop", "ended"]


def test_what_does_not_end_is_asked_to_hurry_and_then_ended() -> None:
    interruption, work = Interruption(Grace(0.2, 0.2)), Work(lambda: 3)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interruption.caught(), interruption.of(work):
        interrupt()
        time.sleep(30)
    assert 0.4 <= time.monotonic() - start < 10
    assert work.happened == [stopping(interruption.grace), "stop", "hurry"]


def test_the_second_signal_ends_at_once_and_a_third_does_not_disturb_the_end() -> None:
    interruption, work = Interruption(Grace()), Work(lambda: 3)
    with pytest.raises(KeyboardInterrupt), interruption.caught():
        try:
            with interruption.of(work):
                interrupt()
                interrupt()
                work.happened.append("never")
        finally:
            interrupt()
            work.happened.append("closed")
    assert work.happened == [STOPPING, "stop", "closed"]


@pytest.mark.parametrize("work", [None, Work(lambda: 0)])
def test_where_nothing_runs_the_first_signal_is_the_last(work: Work | None) -> None:
    interruption = Interruption(Grace())
    with pytest.raises(KeyboardInterrupt), interruption.caught():
        if work is None:
            interrupt()
        else:
            with interruption.of(work):
                interrupt()


def test_what_is_being_written_is_written_whole() -> None:
    interruption, written = Interruption(Grace()), []
    with pytest.raises(KeyboardInterrupt), interruption.caught(), interruption.deferred():
        interrupt()
        written.append("whole")
    assert written == ["whole"]


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    with pytest.raises(KeyboardInterrupt), Interruption(Grace()).caught():
        interrupt()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before


def test_a_study_in_this_process_ends_with_the_pack_that_runs(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE.replace("seeds: 2", "seeds: 100"))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    command = [sys.executable, "-m", "runners.ablate", "--matrix", f"{tmp_path}/m.yaml", "--tracking-uri", uri]
    process = subprocess.Popen([*command, "--executor", "inprocess"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    until(lambda: ledger.read(uri, "tiny").done())
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "interrupted: finished runs are kept" in errors
    runs = ledger.read(uri, "tiny").of(Kind.CELL)
    assert {run.status for run in runs} == {"FINISHED"}
    assert f"stopped: {len(runs)} of 400 runs are done, 0 failed, 0 were running" in errors
