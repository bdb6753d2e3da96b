"""A matrix that builds on another one, and where each of its values stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from ablations import yaml_lines
from ablations.encoding import EncodingError, read_text
from ablations.problems import MatrixError
from ablations.settings import merged
from ablations.yaml_lines import Path

INCLUDE = "include"
MERGED = ("base", "factors", "cells", "metric")  # key by key; of what else both have, the including file's counts


@dataclass(frozen=True)
class Source:
    """A matrix with what it includes.

    Attributes:
        file: that was named.
        value: what it says.
        text: of all files; what is included stands behind, as a comment.
        places: file and line of each path of keys and indices.
        hints: for the path of a list what may have been meant instead of what is read.
    """

    file: File
    value: Any
    text: str
    places: Mapping[Path, str]
    hints: Mapping[Path, str]

    def place(self, *path: str | int) -> str:
        """File and line of the nearest enclosing thing that has one."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def hint(self, *path: str | int) -> str:
        """What may have been meant above or below a path instead, to be added to a message; empty if nothing."""
        found = [hint for place, hint in self.hints.items() if path and path[: len(place)] == place[: len(path)]]
        return "".join(f"; {hint}" for hint in found)


def require(file: File) -> None:
    """Refuse what is no file.

    Raises:
        MatrixError: there is none, or its name cannot be one.
    """
    try:
        there = file.is_file()
    except OSError as error:
        raise MatrixError(f"{file}: {error.strerror}") from error
    if not there:
        raise MatrixError(f"{file}: no such file")


def read(file: File, within: tuple[File, ...] = ()) -> Source:
    """Read a matrix and what it includes.

    An included file is found from the folder of the file that names it. Its ``base``, ``factors``, ``cells`` and
    ``metric`` are merged with those of the including file, key by key; a factor or cell that is null there is left out.

    Raises:
        MatrixError: a file cannot be read, is no YAML, or includes itself.
    """
    try:
        text = read_text(file)
        document = yaml_lines.parse(text)
    except (yaml_lines.YamlError, EncodingError, OSError) as error:
        raise MatrixError("\n".join(f"{file}: {line}" for line in str(error).split("\n"))) from error
    places = {path: f"{file}: line {line}" for path, line in document.lines.items()}
    own = Source(file, _without_anchors(document.value), text, places, document.hints)
    if not isinstance(own.value, dict) or INCLUDE not in own.value:
        return own
    name, chain = own.value[INCLUDE], (*within, file.resolve())
    other = file.parent / name if isinstance(name, str) and name.isprintable() and name else None
    if other is None or not _is_file(other):
        raise MatrixError(f"{own.place(INCLUDE)}: include: no file {name!r:.100}; give its path from {file.parent}")
    if other.resolve() in chain:
        raise MatrixError(f"{own.place(INCLUDE)}: include: {name} includes this file")
    return _put(own, read(other, chain))


def _without_anchors(value: Any) -> Any:
    """Top-level keys that begin with ``x-`` are places for anchors, as in other tools."""
    return {k: v for k, v in value.items() if not k.startswith("x-")} if isinstance(value, dict) else value


def _is_file(path: File) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _put(own: Source, below: Source) -> Source:
    """A source on top of the one that it includes."""
    if not isinstance(below.value, dict):
        return below
    mine = {key: value for key, value in own.value.items() if key != INCLUDE}
    value = below.value | mine
    for key in MERGED:
        if isinstance(mine.get(key), dict) and isinstance(below.value.get(key), dict):
            whole = merged(below.value[key], mine[key]) if key in ("base", "metric") else below.value[key] | mine[key]
            value[key] = {k: v for k, v in whole.items() if v is not None}
    replaced = [path for path in own.places if path and not _goes_on(own.value, path)]
    kept = {path for path in below.places if not any(path[: len(over)] == over for over in replaced)}
    places = {path: place for path, place in below.places.items() if path in kept} | dict(own.places)
    hints = {path: hint for path, hint in below.hints.items() if path in kept} | dict(own.hints)
    comment = "".join(f"# {line}\n" for line in below.text.splitlines())
    text = f"{own.text.rstrip()}\n# included from {below.file.name}:\n{comment}"
    return Source(own.file, value, text, places, hints)


def _goes_on(value: Any, path: Path) -> bool:
    """Whether what stands below a path is merged."""
    return path[0] in MERGED and len(path) < 2 + (path[0] == "base") and isinstance(value.get(path[0]), dict)
