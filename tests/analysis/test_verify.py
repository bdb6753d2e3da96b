"""A report can be recomputed from the store, byte by byte, and what differs is named."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from ablations.record import Tag
from analysis import report, verify
from analysis.numbers import compare_tables, count_numbers
from tests.runners.conftest import SMOKE, Store, run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return run(tmp_path_factory.mktemp("verify"))


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written_to(tmp_path_factory.mktemp("report") / "paper", store.uri)


def written_to(folder: Path, uri: str) -> Path:
    done = CliRunner().invoke(
        report.app, ["--study", "tiny", "--out", str(folder), "--tracking-uri", uri], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return folder


def verified(folder: Path, uri: str) -> Result:
    return CliRunner().invoke(verify.app, [str(folder), "--tracking-uri", uri], catch_exceptions=False)


def copied(store: Store, folder: Path) -> Store:
    source = Path(store.uri.removeprefix("sqlite:///")).parent
    shutil.copytree(source, folder)
    return Store(f"sqlite:///{folder}/mlflow.db", store.plan, store.runs, store.text)


def first_run(uri: str, plan_key: str) -> str:
    client = MlflowClient(uri)
    study = client.get_experiment_by_name("tiny")
    assert study is not None
    return str(client.search_runs([study.experiment_id], f"tags.`{Tag.RUN_KEY}` = '{plan_key}'")[0].info.run_id)


def test_the_same_store_or_a_copy_gives_the_same_bytes(store: Store, written: Path, tmp_path: Path) -> None:
    copy = copied(store, tmp_path / "copy")
    for name, uri in (("again", store.uri), ("of_copy", copy.uri)):
        other = written_to(tmp_path / name, uri)
        names = sorted(path.name for path in written.iterdir())
        assert sorted(path.name for path in other.iterdir()) == names
        assert [n for n in names if (other / n).read_bytes() != (written / n).read_bytes()] == []


def test_what_was_not_touched_agrees(store: Store, written: Path) -> None:
    done = verified(written, store.uri)
    assert (done.exit_code, done.stderr) == (0, "")
    tables = list(written.glob("*.csv"))
    numbers = sum(count_numbers(table) for table in tables)
    assert done.stdout == f"{numbers} numbers in {len(tables)} tables agree with 8 runs in {store.uri}\n"
    assert numbers > 100


def test_what_was_edited_by_hand_is_named(store: Store, written: Path, tmp_path: Path) -> None:
    folder = tmp_path / "paper"
    shutil.copytree(written, folder)
    table = pd.read_csv(folder / "cells.csv", dtype=str)
    cell, name, mean = table.loc[0, ["cell", "name", "mean"]]
    table.loc[0, "mean"] = "0.999"
    table.to_csv(folder / "cells.csv", index=False)
    with (folder / "effects.tex").open("a") as file:
        file.write("% better\n")
    (folder / "curves.png").unlink()
    done = verified(folder, store.uri)
    assert done.exit_code == 1
    number, figure, text = sorted(done.stdout.splitlines())
    assert number.startswith(f"cells.csv: {cell} / {name} / ")
    assert number.endswith(f": mean: stored 0.999, recomputed {mean}")
    assert figure == "curves.png: is gone"
    assert text == "effects.tex: was changed after it was written"
    assert done.stderr.startswith("3 differences to ")


def test_a_run_that_is_gone_is_named_and_so_are_its_numbers(store: Store, written: Path, tmp_path: Path) -> None:
    copy = copied(store, tmp_path / "copy")
    spec = store.runs[0]
    run_id = first_run(copy.uri, spec.run_key)
    MlflowClient(copy.uri).delete_run(run_id)
    done = verified(written, copy.uri)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert f"run {spec.run_key} ({spec.cell_id}, seed {spec.seed}): was finished {run_id}, now missing" in lines
    assert [line for line in lines if line.startswith(f"cells.csv: {spec.cell_id}") and ": n: stored 2," in line]
    assert "manifest.json: compute.runs: stored 8, recomputed 7" in lines


def test_seeds_that_were_added_are_named(written: Path, tmp_path: Path) -> None:
    made = run(tmp_path, SMOKE.replace("seeds: 2", "seeds: 1"))
    folder = written_to(tmp_path / "paper", made.uri)
    grown = run(tmp_path, SMOKE, made.uri)
    done = verified(folder, made.uri)
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    new = [spec for spec in grown.runs if spec.run_key not in made.plan.run_keys()]
    assert len(new) == 4
    for spec in new:
        assert f"run {spec.run_key} ({spec.cell_id}, seed 1): is new, finished" in lines
    assert "note: the study's plan has changed since" in done.stderr


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "no report in"),
        ("{", "no report in"),
        ("[]", "is by another version, which kept no hashes, or was edited: write the report again"),
        (json.dumps({"study": "tiny", "runs": [], "files": ["cells.csv"]}), "write the report again"),
        (
            json.dumps({"study": "x", "runs": [], "files": {}, "allow_mixed": [], "plan_digest": ""}),
            "no study 'x' in the store",
        ),
    ],
)
def test_what_is_no_report_is_refused(store: Store, tmp_path: Path, manifest: str | None, message: str) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    done = verified(tmp_path, store.uri)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_store_that_is_not_there_is_refused(written: Path, tmp_path: Path) -> None:
    done = verified(written, f"sqlite:///{tmp_path}/no.db")
    assert done.exit_code == 2
    assert "no store at" in done.stderr


def tables(folder: Path, *texts: str) -> Sequence[str]:
    paths = [folder / f"{i}.csv" for i in range(2)]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return list(compare_tables(paths[0], paths[1]))


def test_numbers_are_compared_but_for_rounding(tmp_path: Path) -> None:
    assert tables(tmp_path, "cell,p\na,0.123456789\n", "cell,p\na,0.1234567890001\n") == []
    found = tables(tmp_path, "cell,p\na,0.12345\n", "cell,p\na,0.12346\n")
    assert found == ["a: p: stored 0.12345, recomputed 0.12346"]
    assert tables(tmp_path, "cell,p\na,\n", "cell,p\na,1\n") == ["a: p: stored nothing, recomputed 1"]


def test_rows_are_told_by_their_texts_or_else_by_their_place(tmp_path: Path) -> None:
    assert tables(tmp_path, "cell,p\na,1\nb,2\n", "cell,p\nb,2\nc,1\n") == [
        "a: this row is not recomputed",
        "c: this row is missing",
    ]
    assert tables(tmp_path, "seed,p\n0,1\n1,2\n", "seed,p\n0,1\n1,3\n") == ["row 2: p: stored 2, recomputed 3"]
