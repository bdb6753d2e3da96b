"""A report beside the runs that it is made of: its files as artifacts of the study's own run, its table in the note."""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.record import REPORT_FOLDER, sqlite_path
from ablations.strayed import without_plan
from runners.ledger import Ledger, StoredRun, deleted_plan, read, strayed
from runners.note import NOTE, with_report
from runners.store.connection import absolute, connect, refusals
from runners.store.database import reading, require_file
from runners.store.errors import StoreError
from runners.store.faults import studies
from runners.store.lock import only_driver

if TYPE_CHECKING:
    from mlflow import MlflowClient

MANIFEST, TABLE, PAGE = "manifest.json", "cells.md", "report.html"
DASH = "–"  # of the baseline, which is not compared with itself
LONG = 12  # rows of a table of which what was decided comes first


@dataclass(frozen=True)
class _Report:
    """A report that was read.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        files: hash of each file by name, the manifest's left out.
        runs: ids of the runs that it is made of.
    """

    folder: Path
    manifest: Mapping[str, Any]
    files: Mapping[str, str]
    runs: frozenset[str]


def publish(uri: str, study: str, folder: Path) -> int:
    """Put a report under ``report/`` of the study's run, in place of an earlier one, and its table into the note.

    Returns:
        How many files there are.

    Raises:
        StoreError: there is no report in the folder, or it was changed; it is of another study or of runs that the
            store does not have; there is no such study or store; or a driver runs the study. Then nothing was written.
    """
    report, uri = _read(folder, study), absolute(uri)
    path = sqlite_path(uri)
    if path:
        require_file(uri)
    _study_run(uri, study, read(uri, study))
    with only_driver(path, study) if path else contextlib.nullcontext():
        known = read(uri, study)
        run = _study_run(uri, study, known)
        absent = report.runs - {one.run_id for one in known.runs}
        if absent:
            raise StoreError(
                f"the report in {folder} is of runs that this store does not have: {len(absent)} of "
                f"{len(report.runs)}, such as {min(absent)}; make it from this store, or name its own with "
                f"--tracking-uri"
            )
        with tempfile.TemporaryDirectory() as place:
            _stage(report, Path(place))
            with refusals(uri):
                client = connect(uri)
                _upload(client, uri, run.run_id, Path(place))
                _note(client, run.run_id, report, (Path(place) / TABLE).read_text(encoding="utf-8"))
    return len(report.files) + 1


def _read(folder: Path, study: str) -> _Report:
    make = f"make it with: python -m analysis.report --study {study} --out {folder}"
    if not folder.is_dir():
        raise StoreError(f"no folder {folder}; {make}")
    path = folder / MANIFEST
    if not path.is_file():
        raise StoreError(f"no report in {folder}: it has no {MANIFEST}; {make}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): str(value) for name, value in manifest["files"].items()}
        rows = [*manifest["runs"], *manifest.get("search", {}).get("runs", ())]
        runs = frozenset(row["run_id"] for row in rows if row["run_id"])
        of = manifest["study"]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is no manifest of a report: {error!r}; {make}") from error
    if of != study:
        raise StoreError(f"the report in {folder} is of the study '{of}', not of '{study}'")
    if TABLE not in files or any(Path(name).name != name or name in ("", "..") for name in files):
        raise StoreError(f"{path} is no manifest of a report: its files are not those of one; {make}")
    return _Report(folder, manifest, files, runs)


def _study_run(uri: str, study: str, known: Ledger) -> StoredRun:
    if known.study_run:
        return known.study_run
    if known.runs:
        path, run_id = sqlite_path(uri), deleted_plan(uri, study)
        raise StoreError(f"study '{study}': {without_plan(study, run_id, again=path is not None)}")
    path = sqlite_path(uri)
    there = ""
    if path:
        with reading(path) as connection:
            there = f"; the studies there are: {', '.join(studies(connection)) or 'none yet'}"
    raise StoreError(f"no study '{study}' in the store{there}{_strayed(uri, study)}")


def _strayed(uri: str, study: str) -> str:
    return "".join(f"\n{one.sentence(study)}" for one in strayed(uri, study))


def _stage(report: _Report, place: Path) -> None:
    """Copy the files, so that what was checked is what is written."""
    try:
        for name in [*report.files, MANIFEST]:
            shutil.copyfile(report.folder / name, place / name)
        changed = [name for name, value in report.files.items() if _hash(place / name) != value]
    except OSError as error:
        raise StoreError(f"the report in {report.folder} cannot be read: {error}") from error
    if changed:
        raise StoreError(
            f"the report in {report.folder} was changed after it was made: {', '.join(sorted(changed))}; make it again"
        )


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _upload(client: "MlflowClient", uri: str, run_id: str, place: Path) -> None:
    """What is new comes before what is old goes, so that there is a report at any time."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    before = {file.path for file in client.list_artifacts(run_id, REPORT_FOLDER)}
    client.log_artifacts(run_id, str(place), REPORT_FOLDER)
    old = before - {f"{REPORT_FOLDER}/{file.name}" for file in place.iterdir()}
    repository = get_artifact_repository(client.get_run(run_id).info.artifact_uri, uri)
    for path in sorted(old):
        repository.delete_artifacts(path)


def _note(client: "MlflowClient", run_id: str, report: _Report, table: str) -> None:
    run = client.get_run(run_id)
    experiment = client.get_experiment(run.info.experiment_id)
    page = f"#/experiments/{run.info.experiment_id}/runs/{run_id}/artifacts/{REPORT_FOLDER}/{PAGE}"
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in report.manifest["outcomes"].items())
    text = (
        f"[{REPORT_FOLDER}/{PAGE}]({page}) among the artifacts of the run `{run.info.run_name}`: tables, figures and "
        f"all numbers, from {len(report.runs)} runs ({outcomes}).\n\n{_shortened(table)}"
    )
    client.set_tag(run_id, NOTE, with_report(run.data.tags.get(NOTE, ""), text))
    client.set_experiment_tag(run.info.experiment_id, NOTE, with_report(experiment.tags.get(NOTE, ""), text))


def _shortened(table: str) -> str:
    """A table in Markdown without what pads its columns; of a long one, the baseline and what was decided first."""
    lines, _, caption = table.partition("\n\n")
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines.splitlines()]
    if len(rows) > LONG:
        rows.sort(key=lambda row: (row[-1] != DASH, row[-1].startswith("undecided")))
    verdicts = Counter(row[-1].partition(" ")[0] for row in rows if row[-1] != DASH)
    told = ", ".join(f"{n} {verdict}" for verdict, n in sorted(verdicts.items()))
    body = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    return f"Against the baseline: {told or 'nothing to compare'}.\n\n{body}\n\n{caption.strip()}\n"
