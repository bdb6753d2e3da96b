"""What a dry run says of the cost: by past runs, else by a probe; an estimate in any case."""

import re
import time
from dataclasses import replace
from pathlib import Path

import torch
from typer.testing import CliRunner

from ablations.study import load
from model.configuration import Configuration
from model.training import train
from runners import ledger, planner
from runners.ablate import app
from runners.cost import Costs
from runners.ledger import Ledger
from runners.planner import Slots
from runners.probe import probe
from runners.trial import load as load_data
from tests.runners.conftest import SMOKE, Store

NONE = Ledger(())


def by_hand(config: Configuration, digest: str, runs: int, share: float) -> float:
    assert digest
    return 100.0 * runs * share


def test_a_probe_tells_what_a_run_takes_alone_and_in_a_pack(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(SMOKE.replace("epochs: 2", "epochs: 6").replace("dialogues: 12", "dialogues: 60"))
    study = load(tmp_path / "m.yaml")
    plan = planner.make_plan(study)
    config, digest = study.baseline.config, plan.cells[0].data_digest
    data = load_data(config.source, digest)
    train(config, data, 0, torch.device("cpu"))
    start = time.perf_counter()
    train(config, data, 0, torch.device("cpu"))
    real = time.perf_counter() - start
    # Others may use the machine meanwhile: it is the order of magnitude that is tested.
    assert real / 4 < probe(config, digest, 1, 1.0) < 4 * real
    assert 0 < probe(config, digest, 4, 1.0) < 4 * real


def test_past_runs_are_preferred_to_a_probe(store: Store) -> None:
    runs, baseline = store.runs[:4], store.plan.baseline
    known = ledger.read(store.uri, "tiny")
    assert re.search(
        r"s a run, .* \(an estimate by the runs in the store\)$", Costs(Slots(2)).line(known, runs, baseline)
    )
    assert Costs(Slots(2)).line(NONE, runs, baseline).startswith("cost: unknown until the first runs")
    line = Costs(Slots(2), by_hand).line(NONE, runs, baseline)
    assert line.startswith(
        "cost: 1e+02 s a run, about 3.5 min with 2 jobs, the start included (an estimate by a probe: a few"
    )
    assert " steps of baseline s" in line


def test_gpu_hours_are_the_share_times_the_time(store: Store) -> None:
    slots = Slots(4, gpu=True, largest=1, share=0.25)
    line = Costs(slots, by_hand).line(NONE, store.runs, store.plan.baseline)
    assert "cost: 25 s a run, about 60 s with 4 jobs, the start included, 0.014 GPU hours" in line
    assert "in a pack of 4" in Costs(replace(slots, largest=None, jobs=1), by_hand).line(
        NONE, store.runs, store.plan.baseline
    )


def test_a_probe_that_fails_is_said_and_the_rest_of_the_dry_run_stands(store: Store) -> None:
    def broken(config: Configuration, digest: str, runs: int, share: float) -> float:
        raise ValueError("no such thing")

    line = Costs(Slots(2), broken).line(NONE, store.runs, store.plan.baseline)
    assert re.fullmatch(r"cost: unknown, as a probe of 'baseline s\d' failed: ValueError: no such thing", line)


def test_a_dry_run_with_nothing_to_run_costs_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(store.text)
    result = CliRunner().invoke(
        app, ["--matrix", str(tmp_path / "tiny.yaml"), "--dry-run", "--tracking-uri", store.uri]
    )
    assert result.exit_code == 0
    assert "to run: 0 runs" in result.output
    assert "cost:" not in result.output
