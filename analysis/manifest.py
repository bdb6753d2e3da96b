"""The evidence beside the tables: what they come from, what it cost, and what was written.

Nothing in it depends on when, where or in which copy of the store: the same store gives the same bytes.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, TypeGuard

from ablations.record import Kind, Outcome, Tag
from analysis.database import StoredRun
from analysis.runs import StudyError, StudyRuns

MANIFEST = "manifest.json"
RUN = ["run_key", "run_id", "cell", "seed", "outcome"]
SOURCES = (".py", ".j2", ".css", ".js")
WRITERS = ("numpy", "scipy", "pandas", "matplotlib", "seaborn", "jinja2")


def manifest(runs: StudyRuns, trials: StudyRuns | None, stored: Sequence[StoredRun]) -> dict[str, Any]:
    """What the tables come from: plan, code, data, every run, and the compute of all that was ever run.

    Args:
        runs: the study.
        trials: of its search.
        stored: every run of the experiment.
    """
    searched = {"search": planned(trials)} if trials else {}
    return planned(runs) | searched | {"compute": compute(runs, stored), "written_with": writers()}


def planned(runs: StudyRuns) -> dict[str, Any]:
    """Plan, code, data and every run of a study, without dates and places."""
    plan, frame = runs.plan, runs.frame
    versions = sorted(
        column for column in map(str, frame) if column.startswith("version.") or column == "mlflow.source.git.commit"
    )
    return {
        "study": plan.study,
        "schema": plan.schema,
        "plan_digest": plan.digest(),
        "code_digest": plan.code_digest,
        "data_digests": sorted({cell.data_digest for cell in plan.cells}),
        "metric": plan.metric.name,
        "baseline": plan.baseline,
        "versions": {column: sorted(frame[column].dropna().unique()) for column in versions},
        "planned": len(frame),
        "outcomes": frame["outcome"].value_counts().sort_index().to_dict(),
        "runs": json.loads(frame[RUN].to_json(orient="records")),
    }


def compute(runs: StudyRuns, stored: Iterable[StoredRun]) -> dict[str, Any]:
    """Total compute of a study, in hours and by what came of it.

    ``part`` is ``tables`` for the runs that the tables are made of, ``search`` for trials, and ``other`` for what is
    in no table: earlier tries, and runs of other code, data or cells. A run's seconds are those on its device: one
    thread of a CPU, or a share of a GPU; of a pack each run has its share. When a killed run died is not known: it
    counts from its start until it was marked, but no longer than the longest complete run.

    Returns:
        ``hours`` and ``runs``: totals; ``parts``: a row for each part, outcome and device with its ``runs`` and
        ``seconds``. Runs that are not over count no seconds.
    """
    counted = set(runs.frame["run_id"].dropna())
    known = [run for run in stored if run.tags.get(Tag.KIND) in (Kind.CELL, Kind.SEARCH)]
    longest = max((run.seconds for run in known if run.status == "FINISHED"), default=float("inf"))
    rows = sorted((_group(run, counted), _seconds(run, longest)) for run in known)
    parts = []
    for (part, outcome, device), group in groupby(rows, key=lambda row: row[0]):
        seconds = [seconds for _, seconds in group]
        parts.append(
            {"part": part, "outcome": outcome, "device": device}
            | {"runs": len(seconds), "seconds": round(sum(seconds), 3)}
        )
    total = sum(seconds for _, seconds in rows)
    return {"hours": round(total / 3600, 4), "runs": len(rows), "parts": parts}


def _group(run: StoredRun, counted: set[str]) -> tuple[str, str, str]:
    part = "search" if run.tags[Tag.KIND] == Kind.SEARCH else "tables" if run.run_id in counted else "other"
    over = run.status in ("FINISHED", "FAILED")
    outcome = run.tags.get(Tag.OUTCOME, Outcome.FAILED) if over else run.status.lower()
    return part, str(outcome), run.tags.get("device", "unknown")


def _seconds(run: StoredRun, longest: float) -> float:
    if run.ended is None:
        return 0.0
    return min(run.seconds, longest) if run.status == "KILLED" else run.seconds


def writers() -> dict[str, str]:
    """Versions of what computes and draws, and a hash of the analysis itself."""
    here = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in SOURCES)
    own = hashlib.sha256(b"\0".join(path.read_bytes() for path in here)).hexdigest()[:12]
    return {"analysis": own, "python": platform.python_version(), **{name: version(name) for name in WRITERS}}


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a report.

    Raises:
        StudyError: there is none, or it is by another version.
    """
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudyError(f"no report in {folder}: {error}; write one with analysis.report --out {folder}") from error
    if not _is_manifest(document):
        raise StudyError(f"{path} is by another version, which kept no hashes, or was edited: write the report again")
    return document


def _is_manifest(document: object) -> TypeGuard[dict[str, Any]]:
    if not isinstance(document, dict) or not _has_runs(document) or not _has_runs(document.get("search", {"runs": []})):
        return False
    forms = {"study": str, "files": dict, "allow_mixed": list, "plan_digest": str}
    later = {"written_with": dict, "ui": str}
    return all(isinstance(document.get(key), form) for key, form in forms.items()) and all(
        isinstance(document.get(key, form()), form) for key, form in later.items()
    )


def _has_runs(document: object) -> bool:
    runs = document.get("runs") if isinstance(document, dict) else None
    return isinstance(runs, list) and all(
        isinstance(run, dict) and {*RUN} <= run.keys() and isinstance(run["run_key"], str) for run in runs
    )


def last_files(folder: Path) -> list[Path]:
    """The files of the report that lies in a folder, of whatever version.

    Raises:
        StudyError: what lies there is no manifest.
    """
    path = folder / MANIFEST
    if not path.exists():
        return []
    try:
        files = json.loads(path.read_text(encoding="utf-8")).get("files", [])
        names = [Path(name).name for name in files]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise StudyError(f"{path} is no manifest of a report: {error}; choose another folder with --out") from error
    return [file for name in names if name and (file := folder / name).is_file()]


def write(folder: Path, document: Mapping[str, Any], files: Iterable[Path]) -> Path:
    """Write the manifest with the hash of each file that was written; returns its path."""
    path = folder / MANIFEST
    hashes = {file.name: file_hash(file) for file in files}
    path.write_text(json.dumps({**document, "files": hashes}, indent=1) + "\n", encoding="utf-8")
    return path
