"""Two reports of a study against one another: as it was written, and as it is recomputed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.manifest import file_hash
from analysis.numbers import Differences, close, compare_tables, count_numbers

OTHERWISE = (
    "runs",
    "files",
    "search",
    "written_with",
    "command",
    "allow_mixed",
    "float",
    "ui",
)  # not compared value by value
SHOWN = ("outcome", "run_id")


@dataclass(frozen=True)
class Report:
    """What a report wrote: its folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    def file(self, name: str) -> Path:
        """One of its files."""
        return self.folder / Path(name).name


@dataclass(frozen=True)
class Agreement:
    """What came of a comparison.

    Attributes:
        differences: a line for each.
        hints: what may explain them.
        numbers: how many were recomputed.
        tables: how many they are in.
        runs: how many they are computed from.
    """

    differences: Sequence[str]
    hints: Sequence[str]
    numbers: int
    tables: int
    runs: int


def compare(written: Report, again: Report) -> Agreement:
    """Compare a report as it lies there with the recomputed one.

    Tables (.csv) are compared number by number, other files by their hash, runs by their key, and the rest of the
    manifest value by value.
    """
    files = list(dict.fromkeys([*written.manifest["files"], *again.manifest["files"]]))
    differences = [
        *_runs("", written.manifest, again.manifest),
        *_runs("search: ", written.manifest.get("search", {}), again.manifest.get("search", {})),
        *_values(written.manifest, again.manifest),
        *(line for name in files for line in _file(name, written, again)),
    ]
    tables = [again.file(name) for name in again.manifest["files"] if name.endswith(".csv")]
    finished = again.manifest["outcomes"].get("finished", 0)
    return Agreement(differences, [*_hints(written, again)], sum(map(count_numbers, tables)), len(tables), finished)


def _runs(prefix: str, written: Mapping[str, Any], again: Mapping[str, Any]) -> Differences:
    old, new = ({row["run_key"]: row for row in manifest.get("runs", [])} for manifest in (written, again))
    for key in dict.fromkeys([*old, *new]):
        row = old.get(key) or new[key]
        run = f"{prefix}run {key} ({row['cell']}, seed {row['seed']})"
        if key not in new:
            yield f"{run}: is not planned any more"
        elif key not in old:
            yield f"{run}: is new, {new[key]['outcome']}"
        elif old[key] != new[key]:
            before, after = (" ".join(str(rows[key][shown] or "") for shown in SHOWN).strip() for rows in (old, new))
            yield f"{run}: was {before}, now {after}"


def _values(written: Mapping[str, Any], again: Mapping[str, Any]) -> Differences:
    old, new = ({k: v for k, v in manifest.items() if k not in OTHERWISE} for manifest in (written, again))
    stored, recomputed = dict(_leaves("", old)), dict(_leaves("", new))
    for path in dict.fromkeys([*stored, *recomputed]):
        first, second = stored.get(path), recomputed.get(path)
        if first != second and not (isinstance(first, float) and isinstance(second, float) and close(first, second)):
            yield f"manifest.json: {path}: stored {first}, recomputed {second}"


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
        return
    for key, child in items:
        yield from _leaves(f"{path}.{key}".lstrip("."), child)


def _file(name: str, written: Report, again: Report) -> Differences:
    if name not in again.manifest["files"]:
        yield f"{name}: is not written any more"
    elif not written.file(name).is_file():
        yield f"{name}: is gone" if name in written.manifest["files"] else f"{name}: is new"
    elif name.endswith(".csv"):
        yield from (f"{name}: {line}" for line in compare_tables(written.file(name), again.file(name)))
    else:
        there = file_hash(written.file(name))
        if there != again.manifest["files"][name]:
            edited = there != written.manifest["files"].get(name)
            yield f"{name}: was changed after it was written" if edited else f"{name}: is recomputed to something else"


def _hints(written: Report, again: Report) -> Iterator[str]:
    if written.manifest["plan_digest"] != again.manifest["plan_digest"]:
        yield "the study's plan has changed since: cells or seeds were added or removed, or code or data are others"
    before, now = (report.manifest.get("written_with", {}) for report in (written, again))
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        parts = ", ".join(f"{name} {before.get(name)} (now {now[name]})" for name in changed)
        yield f"the report was written with {parts}"
