"""What is missing, in which order, in which packs."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ablations.study import Study, load
from model.base import DataError
from runners import machine, planner, provenance
from runners.planner import Slots
from runners.provenance import code_digest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study() -> Study:
    return load(ROOT / "ablations" / "loss.yaml")


def test_runs_come_seed_by_seed_and_shuffled_within_a_seed(study: Study) -> None:
    plan = planner.make_plan(study)
    runs = planner.missing_runs(study, plan, ())
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)
    assert {run.run_key for run in runs} == plan.run_keys().keys()
    orders = [[run.cell_id for run in runs if run.seed == seed] for seed in plan.seeds]
    assert len({tuple(order) for order in orders}) == len(orders)
    assert orders == [
        [run.cell_id for run in planner.missing_runs(study, plan, ()) if run.seed == s] for s in plan.seeds
    ]


def test_a_metric_of_several_labels_needs_several_labels(tmp_path: Path) -> None:
    text = "study: s\nmetric: {name: test/micro_f1}\nfactors: {training.epochs: [12, 2]}\nseeds: 1\n"
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match="test/micro_f1 is a metric of several labels, but synthetic has one class"):
        planner.make_plan(load(path))
    path.write_text(f"{text}base: {{data: {{multi_label: true}}, loss: {{classification: {{kind: bce}}}}}}\n")
    assert planner.make_plan(load(path)).metric.name == "test/micro_f1"


def test_the_epoch_is_selected_by_a_metric_that_the_data_have(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "study: s\nbase: {training: {select: average_precision}}\nfactors: {training.epochs: [12, 2]}\nseeds: 1\n"
    )
    with pytest.raises(DataError, match=r"training\.select: average_precision is a metric of several labels"):
        planner.make_plan(load(path))


def test_classes_that_would_be_one_metric_are_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one = np.ones(3, np.int64)
    np.savez(
        tmp_path / "x.npz", text=rng.normal(size=(3, 2)), label=np.array([0, 1, 0]), length=one, speaker=0 * one,
        split=np.arange(3), label_names=np.array(["a?", "a!"]),
    )  # fmt: skip
    path = tmp_path / "m.yaml"
    path.write_text(
        f"study: s\nbase: {{data: {{kind: npz, path: {tmp_path}/x.npz, features: [text]}}}}\n"
        "factors: {training.epochs: [12, 2]}\nseeds: 1\n"
    )
    with pytest.raises(DataError, match="are not distinct as names of metrics"):
        planner.make_plan(load(path))


def test_what_is_there_is_left_out_and_the_rest_keeps_its_order(study: Study) -> None:
    plan = planner.make_plan(study)
    runs = planner.missing_runs(study, plan, ())
    done = {run.run_key for run in runs[::2]}
    assert planner.missing_runs(study, plan, done) == runs[1::2]
    assert planner.missing_runs(study, plan, plan.run_keys()) == []


def test_a_run_carries_the_configuration_of_its_cell(study: Study) -> None:
    plan = planner.make_plan(study)
    for run in planner.missing_runs(study, plan, ()):
        cell, seed = plan.run_keys()[run.run_key]
        assert (run.config.identity(), run.seed) == (cell.config, seed)
        assert run.name == f"{cell.name} s{seed}"


def test_packs_hold_every_run_once(study: Study) -> None:
    runs = planner.missing_runs(study, planner.make_plan(study), ())
    assert [run for pack in planner.make_packs(runs, Slots(2, largest=1)) for run in pack.runs] == runs


def test_the_code_digest_ignores_comments_and_docstrings_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.py"

    def of(text: str) -> str:
        file.write_text(text)
        return code_digest(root=tmp_path)

    plain = of("def f(x):\n    return x + 1\n")
    assert of('"""Doc."""\n# comment\ndef f(x):\n    """Doc."""\n\n    return (x + 1)  # why\n') == plain
    assert of("def f(x):\n    return x + 2\n") != plain
    (tmp_path / "b.py").write_text("y = 1\n")
    assert of("def f(x):\n    return x + 1\n") != plain


def test_code_outside_a_repository_has_an_unknown_commit(tmp_path: Path) -> None:
    assert provenance.git(tmp_path) == provenance.Git("unknown", "")


def test_uncommitted_code_is_noted_with_files_that_git_does_not_know(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a.py").write_text("x = 1\n")
    git("add", "a.py")
    git("commit", "-m", "a")
    assert provenance.git(tmp_path).uncommitted == ""
    (tmp_path / "a.py").write_text("x = 2\n")
    (tmp_path / "new.py").write_text("")
    state = provenance.git(tmp_path)
    assert len(state.commit) == 40
    assert "?? new.py" in state.uncommitted
    assert "+x = 2" in state.uncommitted


def test_packs_hold_runs_of_one_seed_that_differ_inside_the_loss(study: Study) -> None:
    runs = planner.missing_runs(study, planner.make_plan(study), ())
    packs = planner.make_packs(runs, Slots(2, largest=10))
    assert [len(pack.runs) for pack in packs] == [9, 9, 9, 9, 9, 9, 10] * 5
    assert [run for pack in packs for run in pack.runs] == runs
    assert all(len({(run.seed, run.config.pack_key()) for run in pack.runs}) == 1 for pack in packs)


def test_runs_that_cannot_be_together_are_in_packs_of_their_own() -> None:
    mixed = load(ROOT / "ablations" / "architecture.yaml")
    runs = planner.missing_runs(mixed, planner.make_plan(mixed), ())
    packs = planner.make_packs(runs, Slots(2, largest=16))
    assert {len(pack.runs) for pack in packs} == {1}
    assert sorted(run.run_key for pack in packs for run in pack.runs) == sorted(run.run_key for run in runs)


@pytest.mark.parametrize(
    ("runs", "slots", "size"),
    [
        (320, Slots(2), 16),
        (8, Slots(2), 2),
        (1, Slots(2), 1),
        (64, Slots(16), 2),
        (40, Slots(2), 10),
        (320, Slots(4, gpu=True), 40),
        (3000, Slots(4, gpu=True), 64),
        (320, Slots(4, gpu=True, largest=7), 7),
    ],
)
def test_a_pack_is_as_large_as_pays_and_leaves_two_for_every_job(
    study: Study, runs: int, slots: Slots, size: int
) -> None:
    run = planner.missing_runs(study, planner.make_plan(study), ())[0]
    assert slots.most(run, runs) == size


def test_packs_of_a_group_are_of_about_the_same_size(study: Study) -> None:
    runs = planner.missing_runs(study, planner.make_plan(study), ())[:65]
    assert [len(pack.runs) for pack in planner.make_packs(runs, Slots(1, largest=60))] == [32, 32, 1]


@pytest.mark.parametrize(("visible", "gpus"), [("0,1", 2), ("", 0), ("-1", 0), ("GPU-1a2b", 1)])
def test_gpus_are_those_that_the_environment_shows(monkeypatch: pytest.MonkeyPatch, visible: str, gpus: int) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert machine.gpus() == gpus


def test_large_batches_are_packed_only_when_asked(tmp_path: Path) -> None:
    text = (ROOT / "ablations" / "loss.yaml").read_text()
    (tmp_path / "m.yaml").write_text(text)
    large = load(tmp_path / "m.yaml", ["training.batch_size=17"])
    runs = planner.missing_runs(large, planner.make_plan(large), ())
    assert {len(pack.runs) for pack in planner.make_packs(runs, Slots(2))} == {1}
    assert max(len(pack.runs) for pack in planner.make_packs(runs, Slots(2, gpu=True))) > 1
    assert max(len(pack.runs) for pack in planner.make_packs(runs, Slots(2, largest=4))) == 4
