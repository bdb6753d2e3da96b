"""The store's upkeep: faults are found and mended, a study travels as one file, an upgrade keeps a backup."""

import os
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest
from alembic import command
from alembic.config import Config
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.initial_models import Base
from mlflow.tracking._tracking_service import utils
from sqlalchemy import create_engine
from typer.testing import CliRunner, Result

import analysis
from ablations.record import PLAN_FILE, PREDICTIONS_FILE, Tag
from runners import ledger
from runners.store import connect, schema
from runners.store.__main__ import app
from runners.store.database import reading
from tests.runners.conftest import SMOKE, Store, run

OLD = "2d6e25af4d3e"  # a revision of MLflow 2


@pytest.fixture(autouse=True)
def _a_process_of_its_own() -> None:
    """MLflow remembers in a process where the files of a run lie, whatever the store."""
    utils._artifact_repos_cache.clear()


def upkeep(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def copy_of(store: Store, folder: Path) -> tuple[Path, str]:
    """A copied store and its URI."""
    shutil.copytree(Path(store.uri.removeprefix("sqlite:///")).parent, folder)
    path = folder / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path, f"sqlite:///{path}"


def execute(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def a_run(uri: str, number: int = 0) -> ledger.StoredRun:
    return ledger.read(uri, "tiny").complete()[number]


def test_a_sound_store_has_no_faults(store: Store) -> None:
    result = upkeep("check", "--tracking-uri", store.uri)
    assert (result.exit_code, result.output) == (0, "no faults\n")


def test_a_run_of_a_dead_driver_is_found_marked_and_run_again(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    lost = a_run(uri)
    execute(path, f"UPDATE runs SET status = 'RUNNING', end_time = NULL WHERE run_uuid = '{lost.run_id}'")
    result = upkeep("check", "--tracking-uri", uri)
    assert result.exit_code == 1
    assert f"run {lost.run_id}" in result.output
    assert "nobody runs it; gc marks it killed" in result.output
    assert f"run {lost.run_id} is marked killed" in upkeep("gc", "--tracking-uri", uri).output
    assert MlflowClient(uri).get_run(lost.run_id).info.status == "KILLED"
    assert upkeep("check", "--tracking-uri", uri).exit_code == 0
    assert [r.run_key for r in run(tmp_path, uri=uri).runs] == [lost.tags[Tag.RUN_KEY]]


def test_a_run_that_finished_twice_is_counted_once_if_both_agree(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    first, second = a_run(uri, 0), a_run(uri, 1)
    key = first.tags[Tag.RUN_KEY]
    same = f"UPDATE tags SET value = '{key}' WHERE run_uuid = '{second.run_id}' AND key = '{Tag.RUN_KEY}'"
    execute(path, same)
    assert f"the run {key} finished 2 times" in upkeep("check", "--tracking-uri", uri).output
    assert "nothing to do" in upkeep("gc", "--tracking-uri", uri).output  # they differ: a person decides
    score = f"FROM latest_metrics o WHERE o.run_uuid = '{first.run_id}' AND o.key = latest_metrics.key"
    execute(
        path,
        f"UPDATE latest_metrics SET value = (SELECT value {score}), is_nan = (SELECT is_nan {score}) "
        f"WHERE run_uuid = '{second.run_id}'",
    )
    assert "is superseded by its first copy" in upkeep("gc", "--tracking-uri", uri).output
    assert upkeep("check", "--tracking-uri", uri).exit_code == 0
    assert len(ledger.read(uri, "tiny").done()) == 7


def test_missing_files_are_found_and_the_run_can_be_repeated(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    execute(path, "UPDATE runs SET artifact_uri = 'file:///nowhere/' || run_uuid")
    lost = a_run(uri)
    (path.parent / "artifacts" / "tiny" / lost.run_id / "artifacts" / PREDICTIONS_FILE).unlink()
    result = upkeep("check", "--tracking-uri", uri)
    assert result.exit_code == 1
    assert f"run {lost.run_id} has no {PREDICTIONS_FILE} any more" in result.output
    assert f"--only {lost.tags[Tag.RUN_KEY]} --rerun all" in result.output


def test_records_of_no_run_are_found_and_removed(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    execute(path, "INSERT INTO params VALUES ('x', '1', 'none')", "INSERT INTO tags VALUES ('x', '1', 'none')")
    assert "1 rows of 'params' belong to no run" in upkeep("check", "--tracking-uri", uri).output
    before = path.read_bytes()
    assert "2 rows that belong to nothing" in upkeep("gc", "--dry-run", "--tracking-uri", uri).output
    assert path.read_bytes() == before
    upkeep("gc", "--tracking-uri", uri)
    assert upkeep("check", "--tracking-uri", uri).output == "no faults\n"


def test_deleted_runs_and_stray_files_are_removed_for_good(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    gone = a_run(uri)
    MlflowClient(uri).delete_run(gone.run_id)
    stray = path.parent / "artifacts" / "tiny" / ("0" * 32) / "artifacts"
    stray.mkdir(parents=True)
    shutil.copy(path, path.parent / "other.db")
    other = path.parent / "artifacts" / "tiny" / ("1" * 32)
    other.mkdir()
    execute(path.parent / "other.db", f"UPDATE runs SET run_uuid = '{'1' * 32}' WHERE run_uuid = '{gone.run_id}'")
    result = upkeep("gc", "--tracking-uri", uri)
    assert f"run {gone.run_id}, which was deleted, is removed" in result.output
    assert not (path.parent / "artifacts" / "tiny" / gone.run_id).exists()
    assert not stray.exists()
    assert other.exists()  # it is of the database beside
    assert upkeep("check", "--tracking-uri", uri).exit_code == 0
    assert "nothing to do" in upkeep("gc", "--tracking-uri", uri).output
    assert [r.run_key for r in run(tmp_path, uri=uri).runs] == [gone.tags[Tag.RUN_KEY]]


def test_nothing_is_collected_while_a_study_is_run(store: Store, tmp_path: Path) -> None:
    from runners.store import only_driver

    path, uri = copy_of(store, tmp_path / "s")
    execute(path, "INSERT INTO params VALUES ('x', '1', 'none')")
    with only_driver(path, "tiny"):
        result = upkeep("gc", "--tracking-uri", uri)
    assert result.exit_code == 2
    assert "another driver is running the study 'tiny'" in result.stderr
    assert "1 rows of 'params'" in upkeep("check", "--tracking-uri", uri).output


def scores(uri: str) -> pd.DataFrame:
    return analysis.load("tiny", uri).set_index("run_key").drop(columns=["seconds"])


def test_a_study_travels_as_one_file_with_the_same_ids(store: Store, tmp_path: Path) -> None:
    archive, new = tmp_path / "tiny.zip", f"sqlite:///{tmp_path}/new/mlflow.db"
    assert (
        "9 runs are in" in upkeep("export", "--study", "tiny", "--to", str(archive), "--tracking-uri", store.uri).output
    )
    assert (
        upkeep("import", str(archive), "--tracking-uri", new).output
        == "tiny: 9 runs were added, 0 were there already\n"
    )
    assert (
        upkeep("import", str(archive), "--tracking-uri", new).output
        == "tiny: 0 runs were added, 9 were there already\n"
    )
    pd.testing.assert_frame_equal(scores(new), scores(store.uri))
    assert upkeep("check", "--tracking-uri", new).output == "no faults\n"
    for old in ledger.read(store.uri, "tiny").complete():
        ours, theirs = (MlflowClient(uri).get_run(old.run_id) for uri in (new, store.uri))
        assert ours.data.to_dictionary() == theirs.data.to_dictionary()
        assert ours.inputs.dataset_inputs[0].dataset.digest == theirs.inputs.dataset_inputs[0].dataset.digest
        assert str(tmp_path / "new") in ours.info.artifact_uri
        key = "train/loss/total"
        points = [
            [(p.step, p.value) for p in MlflowClient(uri).get_metric_history(old.run_id, key)]
            for uri in (new, store.uri)
        ]
        assert points[0] == points[1]
    assert run(tmp_path, uri=new).runs == []


def test_a_later_export_brings_the_new_runs_and_the_plan(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = run(tmp_path / "a", SMOKE.replace("seeds: 2", "seeds: 1"))
    new, archive = f"sqlite:///{tmp_path}/new/mlflow.db", str(tmp_path / "a.zip")
    upkeep("export", "--study", "tiny", "--to", archive, "--tracking-uri", first.uri)
    upkeep("import", archive, "--tracking-uri", new)
    early = Path(archive).read_bytes()
    run(tmp_path / "a")
    upkeep("export", "--study", "tiny", "--to", archive, "--tracking-uri", first.uri)
    assert "4 runs were added, 5 were there" in upkeep("import", archive, "--tracking-uri", new).output
    pd.testing.assert_frame_equal(scores(new), scores(first.uri))
    Path(archive).write_bytes(early)
    assert "0 runs were added" in upkeep("import", archive, "--tracking-uri", new).output
    assert len(scores(new)) == 8


def test_of_two_stores_of_one_study_each_key_is_finished_once(store: Store, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = run(tmp_path / "b", SMOKE.replace("seeds: 2", "seeds: [1, 2]"))
    archive = str(tmp_path / "tiny.zip")
    upkeep("export", "--study", "tiny", "--to", archive, "--tracking-uri", store.uri)
    assert "4 runs were added, 5 were there" in upkeep("import", archive, "--tracking-uri", other.uri).output
    assert run(tmp_path / "b", SMOKE.replace("seeds: 2", "seeds: 3"), uri=other.uri).runs == []
    assert len(scores(other.uri)) == 12
    assert upkeep("check", "--tracking-uri", other.uri).output == "no faults\n"


@pytest.mark.parametrize("damage", ["cut", "text", "nothing", "files"])
def test_a_broken_archive_is_refused_and_adds_nothing(store: Store, tmp_path: Path, damage: str) -> None:
    archive, new = tmp_path / "tiny.zip", f"sqlite:///{tmp_path}/new/mlflow.db"
    upkeep("export", "--study", "tiny", "--to", str(archive), "--tracking-uri", store.uri)
    whole = archive.read_bytes()
    if damage == "files":
        with zipfile.ZipFile(archive) as good, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
            for name in good.namelist():
                content = good.read(name)
                bad.writestr(name, content)
        text = (tmp_path / "bad.zip").read_bytes()
        place = text.rindex(b"neutral")
        archive.write_bytes(text[:place] + b"NEUTRAL" + text[place + 7 :])
    else:
        archive.write_bytes({"cut": whole[: len(whole) // 2], "text": b"text", "nothing": b""}[damage])
    result = upkeep("import", str(archive), "--tracking-uri", new)
    assert result.exit_code == 2, result.output
    assert "is no archive of a study, or cannot be read" in result.stderr
    assert ledger.read(new, "tiny").runs == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--tracking-uri", "sqlite:///none.db"], "no store at"),
        (["check", "--tracking-uri", "http://127.0.0.1:9"], "this works on the SQLite file of a store"),
        (["gc", "--tracking-uri", "sqlite:///none.db"], "no store at"),
        (["export", "--study", "none", "--to", "x.zip", "--tracking-uri", "STORE"], "the studies there are: tiny"),
        (["export", "--study", "tiny", "--to", "no/x.zip", "--tracking-uri", "STORE"], "cannot be written to no/x.zip"),
        (["import", "none.zip", "--tracking-uri", "sqlite:///new.db"], "none.zip is no archive"),
    ],
)
def test_what_cannot_be_done_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = upkeep(*[store.uri if word == "STORE" else word for word in arguments])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert message in result.stderr


def test_a_copied_store_leaves_the_original_as_it_is(store: Store, tmp_path: Path) -> None:
    original = Path(store.uri.removeprefix("sqlite:///")).parent
    files = {
        p: p.read_bytes() for p in original.rglob("*") if p.is_file() and p.suffix not in {".db", ".db-wal", ".db-shm"}
    }
    shutil.copytree(original, tmp_path / "copy")
    schema._copy(original / "mlflow.db", tmp_path / "mlflow.db")
    for folder in (tmp_path / "copy", tmp_path):  # with its artifacts, and without
        uri = f"sqlite:///{folder}/mlflow.db"
        utils._artifact_repos_cache.clear()
        assert len(run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 3"), uri=uri).runs) == 4
        [study] = [r for r in ledger.read(uri, "tiny").runs if r.tags[Tag.KIND] == "study"]
        assert (folder / "artifacts" / "tiny" / study.run_id / "artifacts" / PLAN_FILE).is_file()
        assert len(scores(uri)) == 12
        assert upkeep("check", "--tracking-uri", uri).output == "no faults\n"
    assert {p: p.read_bytes() for p in files} == files


def test_a_store_of_an_older_mlflow_is_backed_up_and_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    config = Config()
    config.set_main_option("script_location", str(schema._migrations()))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLD)
    engine.dispose()
    execute(path, "INSERT INTO experiments VALUES (7, 'old', 'file:///old', 'active', 0, 0)")
    assert run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1"), uri=f"sqlite:///{path}").runs
    assert schema._revision(path) == schema._head()
    backup = tmp_path / f"mlflow.db.{OLD}.backup"
    assert schema._revision(backup) == OLD
    with reading(backup) as old:
        assert old.execute("SELECT name FROM experiments").fetchall() == [("old",)]
    assert MlflowClient(f"sqlite:///{path}").get_experiment_by_name("old")


def test_the_head_of_the_schema_is_the_one_that_mlflow_makes(store: Store) -> None:
    assert schema._revision(Path(store.uri.removeprefix("sqlite:///"))) == schema._head()


def test_a_store_of_a_newer_mlflow_is_refused_as_it_is(store: Store, tmp_path: Path) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    execute(path, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    result = upkeep("import", str(tmp_path / "none.zip"), "--tracking-uri", uri)
    assert result.exit_code == 2
    with pytest.raises(RuntimeError, match="has schema ffffffffffff, which this MLflow does not know"):
        connect(uri)
    assert not list(path.parent.glob("*.backup"))


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, uri = copy_of(store, tmp_path / "s")
    execute(path, f"UPDATE alembic_version SET version_num = '{OLD}'")  # so the migrations find what is there already
    monkeypatch.setattr(schema, "_migrate", lambda p: execute(p, "DROP TABLE tags", "SELECT none"))
    with pytest.raises(RuntimeError, match="cannot be upgraded, and is as before"):
        connect(uri)
    assert len(ledger.read(uri, "tiny").complete()) == 8


SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} none {folder}
cp {template} {folder}/mlflow.db
cp {matrix} {folder}/tiny.yaml
status=0; {python} -m runners.ablate --executor inprocess --matrix {folder}/tiny.yaml --checkpoint-every 0 \
  --tracking-uri sqlite:///{folder}/mlflow.db || status=$?
echo "first: $status"
mount -o remount,size=64m{option} {folder}
status=0; {python} -m runners.ablate --executor inprocess --matrix {folder}/tiny.yaml {more} --checkpoint-every 0 \
  --tracking-uri sqlite:///{folder}/mlflow.db || status=$?
echo "second: $status"
cp -r {folder}/. {out}
"""


def on_a_disk(store: Store, tmp_path: Path, values: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
    """Run a study twice on a small disk of its own, which is made greater, or may only be read, in between."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this user may not mount a file system")
    for name in ("disk", "out", "empty"):
        (tmp_path / name).mkdir()
    connect(f"sqlite:///{tmp_path}/empty/mlflow.db")
    execute(tmp_path / "empty" / "mlflow.db", "VACUUM")
    (tmp_path / "tiny.yaml").write_text(SMOKE)
    places = {"folder": tmp_path / "disk", "out": tmp_path / "out", "template": tmp_path / "empty" / "mlflow.db"}
    more = {"matrix": tmp_path / "tiny.yaml", "python": sys.executable, "option": "", "more": ""}
    script = SMALL_DISK.format(**{**places, **more, **values})
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False, env=environment
    )


def test_a_full_disk_ends_the_study_and_what_finished_is_whole(store: Store, tmp_path: Path) -> None:
    size = 1_000_000 + 2 * 200_000
    result = on_a_disk(store, tmp_path, {"size": size + Path(store.uri.removeprefix("sqlite:///")).stat().st_size // 2})
    assert "Traceback" not in result.stderr, result.stderr
    assert "error: " in result.stderr
    assert "first: 2" in result.stdout, result.stdout + result.stderr
    assert "second: 0" in result.stdout, result.stdout + result.stderr
    uri = f"sqlite:///{tmp_path}/out/mlflow.db"
    assert sorted(ledger.read(uri, "tiny").done()) == sorted(store.plan.run_keys())
    assert upkeep("check", "--tracking-uri", uri).output == "no faults\n"
    same = [c for c in scores(store.uri).columns if c.startswith(("test/", "best/"))]
    pd.testing.assert_frame_equal(scores(uri)[same], scores(store.uri)[same])


def test_a_read_only_store_is_refused(store: Store, tmp_path: Path) -> None:
    result = on_a_disk(store, tmp_path, {"size": "64m", "option": ",ro", "more": "--seeds 3"})
    assert "first: 0" in result.stdout, result.stdout + result.stderr
    assert "second: 2" in result.stdout, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "cannot be written" in result.stderr
    assert len(ledger.read(f"sqlite:///{tmp_path}/out/mlflow.db", "tiny").complete()) == 8


READ_ONLY = """
set -e
mount -t tmpfs -o size=64m none {folder}
cp -r {store}/. {folder}
mount -o remount,ro {folder}
{python} -m runners.ablate --matrix {matrix} --tracking-uri sqlite:///{folder}/mlflow.db --dry-run
{python} -m analysis.report --study tiny --tracking-uri sqlite:///{folder}/mlflow.db --out {out}
{python} -m runners.store check --tracking-uri sqlite:///{folder}/mlflow.db
"""


def test_a_store_on_a_read_only_disk_can_be_looked_at(store: Store, tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this user may not mount a file system")
    (tmp_path / "disk").mkdir()
    (tmp_path / "tiny.yaml").write_text(SMOKE)
    folder = Path(store.uri.removeprefix("sqlite:///")).parent
    places = {"folder": tmp_path / "disk", "store": folder, "out": tmp_path / "out"}
    script = READ_ONLY.format(**places, matrix=tmp_path / "tiny.yaml", python=sys.executable)
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "in the store: 8 done" in result.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    assert result.stdout.endswith("no faults\n")
