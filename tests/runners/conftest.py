"""A small study, run once in this process, for all tests that look at its store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from ablations.record import Plan
from ablations.study import load
from runners import ledger, planner
from runners.driver import Driver
from runners.executors.inprocess import InProcess
from runners.planner import RunSpec
from tests.runners.servers import postgres, server, server_folder, shared

__all__ = ["postgres", "server", "server_folder", "shared"]

SMOKE = """
study: tiny
base: {data: {dialogues: 12, min_dev_dialogues: 0, min_test_dialogues: 0}, training: {epochs: 2}}
factors:
  loss.classification: [{kind: nll}, {kind: focal}]
  loss.encoder_weight: [0.05, 0.5]
seeds: 2
"""


@dataclass(frozen=True)
class Store:
    """A store with the study in it."""

    uri: str
    plan: Plan
    runs: Sequence[RunSpec]
    text: str


def run(folder: Path, text: str = SMOKE, uri: str | None = None) -> Store:
    """Bring a study up to date in a store."""
    matrix = folder / "tiny.yaml"
    matrix.write_text(text)
    uri = uri or f"sqlite:///{folder}/mlflow.db"
    study = load(matrix)
    plan = planner.make_plan(study)
    runs = planner.missing_runs(study, plan, ledger.read(uri, plan.study).done())
    Driver(uri, InProcess(), Console(quiet=True)).bring_up_to_date(study, plan)
    return Store(uri, plan, runs, text)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("store"))
