"""A cluster of two nodes: code and data reach them, and one that is lost costs its runs alone."""

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.machinery import PathFinder
from pathlib import Path

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from ablations.record import Outcome, RunRecord, Tag
from ablations.study import load
from benchmarks.torture import trials
from model.data import Npz
from model.task_code import shipped
from runners import ledger, planner
from runners.executors import Message
from runners.executors.ray_tune import RayTune
from runners.planner import Pack, RunSpec
from tests.runners.conftest import SMOKE
from tests.runners.drivers import until
from tests.runners.test_ray import ROOT, scores, start, uri

pytestmark = pytest.mark.timeout(300)

STUDY = (
    SMOKE.replace("epochs: 2", "epochs: 6").replace("dialogues: 12", "dialogues: 60").replace("seeds: 2", "seeds: 4")
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.slow
def test_a_study_survives_the_loss_of_a_node(cluster: Cluster, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=1)
    study = start(tmp_path, STUDY, "--address", cluster.address, "--pack", "off")
    raylet = node.all_processes["raylet"][0].process.pid
    until(lambda: study.poll() is not None or (trials(raylet) and len(done(tmp_path)) >= 3))
    assert study.poll() is None, study.communicate()
    before = done(tmp_path)
    cluster.remove_node(node, allow_graceful=False)
    _, errors = study.communicate()
    assert study.returncode == 0, errors
    known = ledger.read(uri(tmp_path), "tiny")
    assert len(before) < 16
    assert set(Counter(run.tags[Tag.RUN_KEY] for run in known.complete()).values()) == {1}
    assert len(known.done()) == 16
    # What was on the node, and no more, was tried again; nothing, if its run had just ended.
    assert sum(Tag.RETRIED in run.tags for run in known.runs) <= 2
    (tmp_path / "quiet").mkdir()
    quiet = start(tmp_path / "quiet", STUDY, "--executor", "inprocess", "--pack", "off")
    quiet.communicate()
    assert quiet.returncode == 0
    assert scores(uri(tmp_path)) == scores(uri(tmp_path / "quiet"))


def done(folder: Path) -> set[str]:
    return ledger.read(uri(folder), "tiny").done()


def test_code_and_data_are_those_of_the_driver(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_node(num_cpus=1)
    random = np.random.default_rng(0)
    size = 40
    np.savez(
        tmp_path / "d.npz",
        text=random.normal(size=(size, 4)).astype("float32"),
        label=np.arange(size) % 2,
        length=np.full(10, 4),
        speaker=np.arange(size) % 2,
        split=np.repeat(np.array([0] * 6 + [1] * 2 + [2] * 2), 4),
    )
    matrix = tmp_path / "m.yaml"
    matrix.write_text(
        f"study: far\nbase: {{data: {{kind: npz, features: [text], path: {tmp_path}/d.npz}}}}\n"
        "factors: {loss.encoder_weight: [0.05, 0.5]}\nseeds: 2\n"
    )
    study = load(matrix)
    plan = planner.make_plan(study)
    # As if it were a study of a user's task.
    inputs = replace(planner.inputs(study, plan), code=shipped("examples.digits.task:Digits"))
    assert [type(file) for file in inputs.files.values()] == [Npz]
    runs = planner.missing_runs(study, plan, ())
    records: dict[str, RunRecord] = {}

    def report(spec: RunSpec, message: Message) -> None:
        assert isinstance(message, RunRecord)
        records[spec.run_key] = message

    with RayTune(None, cluster.address, 0, inputs=inputs) as executor:
        assert executor.jobs == 2  # both nodes
        (tmp_path / "d.npz").unlink()
        executor.run([Pack((spec,)) for spec in runs], report)
        places = ray.get(ray.remote(_where).options(scheduling_strategy="SPREAD").remote())
    assert {record.outcome for record in records.values()} == {Outcome.FINISHED}, records
    assert len(records) == 4
    assert len(places) == 4
    assert all("runtime_resources" in place for place in places), places


def _where() -> list[str]:
    """Where a worker finds the code if the folder of this repository, which another machine lacks, is left out."""
    places = [
        place for place in sys.path if place and not str(ROOT).startswith(place) and not place.startswith(str(ROOT))
    ]
    specs = [PathFinder.find_spec(name, places) for name in ("ablations", "model", "runners", "examples")]
    return [str(spec.origin) for spec in specs if spec]
