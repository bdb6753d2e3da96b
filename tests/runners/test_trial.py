"""A trial: packs that are too large are divided, and every run is reported once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ablations.predictions import TypedPredictions
from ablations.record import Outcome, RunRecord
from ablations.study import load
from model.memory import cell_bytes
from model.training import Fit, Trainer
from runners import capacity, planner, trial
from runners.executors import Message, Progress
from runners.planner import Pack, Slots

CPU = torch.device("cpu")
MATRIX = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 3, precision: fp64}}
factors:
  loss.encoder_weight: [0.05, 0.1, 0.2, 0.3, 0.5, 1.0]
seeds: 1
"""


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    (tmp_path / "m.yaml").write_text(MATRIX)
    study = load(tmp_path / "m.yaml")
    runs = planner.missing_runs(study, planner.make_plan(study), ())
    (pack,) = planner.make_packs(runs, Slots(1, largest=6))
    return pack


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    capacity.capacity.cache_clear()
    yield
    capacity.capacity.cache_clear()


def records(pack: Pack, share: float = 1.0) -> dict[str, RunRecord]:
    messages: list[Message] = []
    trial.run_pack(pack, share, messages.append)
    found = [message for message in messages if isinstance(message, RunRecord)]
    assert sorted(record.run_key for record in found) == sorted(run.run_key for run in pack.runs)
    return {record.run_key: record for record in found}


def limited(monkeypatch: pytest.MonkeyPatch, most: int, error: type[Exception]) -> list[int]:
    """Make packs of more than ``most`` raise in their second epoch; returns the sizes that are tried."""
    fit, tried = Trainer.fit, []

    def failing(self: Trainer, on_epoch: Callable[[int, Any], object], *arguments: Any) -> list[Fit]:
        tried.append(self.cells)
        if self.cells <= most:
            return fit(self, on_epoch, *arguments)
        for cell in range(self.cells):
            on_epoch(cell, {"train/loss/total": 1.0})
        raise error("too much")

    monkeypatch.setattr(Trainer, "fit", failing)
    return tried


def assert_same(a: dict[str, RunRecord], b: dict[str, RunRecord]) -> None:
    for key, record in a.items():
        assert record.final == pytest.approx(b[key].final, abs=1e-7)
        ours, theirs = record.predictions, b[key].predictions
        assert ours is not None
        assert theirs is not None
        ours_typed, theirs_typed = (TypedPredictions.decode(each.content) for each in (ours, theirs))
        np.testing.assert_array_equal(ours_typed.predicted, theirs_typed.predicted)


def test_a_pack_that_is_out_of_memory_is_halved_and_the_size_that_worked_is_remembered(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = records(pack)
    tried = limited(monkeypatch, 2, torch.OutOfMemoryError)
    assert_same(records(pack), whole)
    assert tried == [6, 3, 1, 2, 1, 2]
    tried.clear()
    assert_same(records(pack), whole)
    assert tried == [1, 2, 1, 2]


def test_another_error_is_not_taken_for_a_lack_of_memory(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = limited(monkeypatch, 3, ValueError)
    for _ in range(2):
        records(pack)
    assert tried == [6, 3, 3] * 2


def test_a_run_that_raises_alone_is_failed_and_the_others_are_not(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = pack.runs[2].config
    start = Trainer.__init__

    def failing(self: Trainer, configs: Any, *arguments: Any) -> None:
        if bad in configs:
            raise ValueError("no such thing")
        start(self, configs, *arguments)

    monkeypatch.setattr(Trainer, "__init__", failing)
    found = records(pack)
    assert [found[run.run_key].outcome for run in pack.runs].count(Outcome.FINISHED) == 5
    assert found[pack.runs[2].run_key].reason == "ValueError: no such thing"


def test_no_epoch_is_sent_twice(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PROGRESS_SECONDS", -1.0)
    limited(monkeypatch, 2, torch.OutOfMemoryError)
    messages: list[Message] = []
    trial.run_pack(pack, 1.0, messages.append)
    for run in pack.runs:
        sent = [m.first + i for m in messages if isinstance(m, Progress) and m.run_key == run.run_key
                for i in range(len(m.history))]  # fmt: skip
        assert sent == [0, 1, 2]


def test_a_pack_is_as_large_as_the_memory_has_room_for(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pack.runs[0].config
    room = capacity.Capacity(CPU, 1.0)
    monkeypatch.setattr(room, "_room", lambda: 10.0 * cell_bytes(config, dataset(pack)))
    assert room.runs(config, dataset(pack)) == 8
    tried = limited(monkeypatch, 6, ValueError)
    records(pack, share=1e-6)
    assert tried == [1] * 6


def dataset(pack: Pack) -> Any:
    return pack.runs[0].config.source.load().standardised()


def test_what_was_interrupted_goes_on_in_other_packs_with_the_same_results(pack: Pack) -> None:
    whole = records(pack)
    assert_same(records(Pack(pack.runs[:2])) | records(Pack(pack.runs[2:3])) | records(Pack(pack.runs[3:])), whole)
