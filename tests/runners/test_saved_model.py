"""A network that was kept is loaded again and does what it did."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

from ablations.record import Tag
from ablations.study import load as load_matrix
from runners import ledger, planner
from runners.driver import Driver
from runners.executors.inprocess import InProcess
from runners.saved_model import load
from runners.store import StoreError, connect
from runners.terms import Terms
from tests.runners.conftest import SMOKE, Store
from tests.runners.test_task import LINE


def kept(folder: Path, text: str) -> dict[str, str]:
    """URI and run ids by run key of a study that keeps its networks."""
    (folder / "m.yaml").write_text(text)
    study = load_matrix(folder / "m.yaml")
    plan, uri = planner.make_plan(study), f"sqlite:///{folder}/mlflow.db"
    Driver(uri, InProcess(), Console(quiet=True), Terms(save_model=True)).bring_up_to_date(study, plan)
    return {"uri": uri} | {run.run_id: run.tags[Tag.RUN_KEY] for run in ledger.read(uri, plan.study).complete()}


@pytest.mark.parametrize("text", [SMOKE, LINE], ids=["joyful", "task"])
def test_what_is_loaded_scores_as_the_run_did(tmp_path: Path, text: str) -> None:
    uri, *runs = kept(tmp_path, text).items()
    client = connect(uri[1])
    for run_id, _ in runs[:3]:
        saved = load(run_id, uri[1])
        metrics = client.get_run(run_id).data.metrics
        found = {f"test/{name}": value for name, value in saved.evaluate("test").metrics.items()}
        assert found == pytest.approx(
            {name: value for name, value in metrics.items() if name.startswith("test/")}, rel=1e-4
        )
        best = {f"best/dev/{name}": value for name, value in saved.evaluate("dev").metrics.items()}
        assert best == pytest.approx({name: metrics[name] for name in best}, rel=1e-4)
        assert not saved.network.training


def test_the_network_of_a_task_is_the_users_own(tmp_path: Path) -> None:
    (_, uri), (run_id, _), *_ = kept(tmp_path, LINE).items()
    network = load(run_id, uri).network
    assert isinstance(network, nn.Sequential)
    assert network(torch.zeros(2, 4)).shape == (2, 1)


def test_mlflow_reads_the_signature(tmp_path: Path) -> None:
    from mlflow.models import Model

    (_, uri), (run_id, _), *_ = kept(tmp_path, LINE).items()
    model = Model.load(connect(uri).download_artifacts(run_id, "model", str(tmp_path)))
    assert model.run_id == run_id
    assert [(spec.name, spec.shape) for spec in model.signature.inputs] == [("x", (-1, 4)), ("y", (-1,))]
    assert [(spec.type, spec.shape) for spec in model.signature.outputs] == [(np.dtype("float32"), (-1,))]


def test_nothing_is_kept_unless_asked_for(store: Store) -> None:
    run = ledger.read(store.uri, store.plan.study).complete()[0]
    with pytest.raises(StoreError, match="was not kept: run it with --save-model"):
        load(run.run_id, store.uri)
    with pytest.raises(StoreError, match="nowhere"):
        load("nowhere", store.uri)


def test_keeping_networks_changes_no_identity(store: Store) -> None:
    plain = store.runs[0]
    assert dataclasses.replace(plain, save_model=True).run_key == plain.run_key
