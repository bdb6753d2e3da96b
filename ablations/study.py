"""A matrix file, read and resolved to cells."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablations import designs, settings, yaml_lines
from ablations.cell import Cell, cell_id, named, short_name
from ablations.matrix import Matrix, Range, UntilDecided
from ablations.problems import MatrixError, message_of, path_of
from ablations.record import RESERVED
from ablations.search import Search, ends
from ablations.settings import Settings
from model.config import RunConfig

OVERRIDE = "--set"
MOST_SEEDS = 30  # of --until-decided


@dataclass(frozen=True)
class Study:
    """A resolved matrix: its cells in the order of the file, the baseline among them, the seeds, and the text.

    The text is that of the file, after a comment for what the command line changed. With a ``search`` the baseline is
    the only cell until the winner is known.
    """

    matrix: Matrix
    cells: tuple[Cell, ...]
    baseline: Cell
    seeds: tuple[int, ...]
    text: str
    search: Search | None = None

    def factors(self) -> dict[str, str]:
        """Short name of each factor by path; the path itself where it is taken: by another factor, or by a column."""
        short = {path: short_name(self.baseline.config, path) for path in self.baseline.levels}
        names = list(short.values())
        taken = {name for name in names if names.count(name) > 1} | RESERVED
        return {path: path if name in taken else name for path, name in short.items()}


def load(
    path: Path, overrides: Sequence[str] = (), seeds: Sequence[int] | None = None, until_decided: bool = False
) -> Study:
    """Read a matrix file.

    Args:
        path: the YAML file.
        overrides: ``key=value`` with a dotted key into the base and a YAML value, as ``--set`` gives them.
        seeds: used in place of the file's.
        until_decided: take a number of seeds for the least, and add more, up to 30, until the contrasts are decided.

    Raises:
        MatrixError: with every problem found, one a line, each with file and line.
    """
    try:
        there = path.is_file()
    except OSError as error:
        raise MatrixError(f"{path}: {error.strerror}") from error
    if not there:
        raise MatrixError(f"{path}: no such file")
    return _Reader(path, overrides).study(seeds, until_decided)


class _Reader:
    """Turns the file into cells; every problem it meets knows its line."""

    def __init__(self, path: Path, overrides: Sequence[str]) -> None:
        self.path = path
        self.overrides = dict(override(text) for text in overrides)
        try:
            self.text = path.read_text(encoding="utf-8")
            self.document = yaml_lines.parse(self.text)
        except (yaml_lines.YamlError, UnicodeDecodeError, OSError) as error:
            raise MatrixError("\n".join(f"{path}: {line}" for line in str(error).split("\n"))) from error

    def study(self, seeds: Sequence[int] | None, until_decided: bool) -> Study:
        value = self.document.value
        if not isinstance(value, dict):
            raise MatrixError(
                f"{self.path}: line 1: a matrix is a mapping with the keys {', '.join(Matrix.model_fields)}"
            )
        given = value | self._seeds(value.get("seeds"), seeds, until_decided)
        try:
            matrix = Matrix.model_validate_json(_json(given))
        except ValidationError as error:
            raise MatrixError("\n".join(self._matrix_problems(error, given))) from error
        self.base = settings.applied(settings.merged(settings.defaults(), matrix.base), self.overrides)
        self._raise(self._problems({}, ()))
        self._raise([*self._search_problems(matrix), *self._level_problems(matrix)])
        cells = tuple(self._cells(matrix))
        self._raise(list(self._same(cells)))
        changed = [f"# {OVERRIDE} {key}={value}\n" for key, value in self.overrides.items()]
        changed += [f"# --seeds {','.join(map(str, seeds))}\n"] if seeds is not None else []
        changed += ["# --until-decided\n"] if until_decided else []
        text = "".join([*changed, self.text])
        if matrix.search:
            search = Search(matrix.search, matrix.factors, self.base)
            baseline = self._searched_baseline(matrix, search)
            return Study(matrix, (baseline,), baseline, matrix.seed_list(), text, search)
        return Study(matrix, cells, self._baseline(matrix, cells), matrix.seed_list(), text)

    def _seeds(self, written: Any, seeds: Sequence[int] | None, until_decided: bool) -> dict[str, Any]:
        """What the command line makes of the file's ``seeds``."""
        if isinstance(written, dict):
            if seeds is not None:
                raise MatrixError(
                    f"{self._line('seeds')}: seeds are added until the contrasts are decided; --seeds would fix their "
                    f"number after looks at the results. Change min and max"
                )
            return {}
        wanted = written if seeds is None else list(seeds)
        if until_decided and isinstance(wanted, list):
            if wanted != list(range(len(wanted))):
                raise MatrixError(f"--until-decided: needs a number of seeds to begin with, got the list {wanted}")
            wanted = len(wanted)
        if until_decided and isinstance(wanted, int):
            return {"seeds": {"min": wanted, "max": MOST_SEEDS, "until": "decided"}}
        return {} if seeds is None else {"seeds": wanted}

    def _matrix_problems(self, error: ValidationError, value: Settings) -> Iterator[str]:
        for detail in error.errors():
            path = path_of(detail, value)
            yield f"{self.path}: line {self.document.line(path)}: {message_of(detail, path, Matrix, value)}"

    def _raise(self, problems: Sequence[str]) -> None:
        if problems:
            raise MatrixError("\n".join(dict.fromkeys(problems)))

    def _problems(self, change: Mapping[str, Any], place: tuple[str | int, ...]) -> list[str]:
        """What is wrong with the base under a change that stands at ``place`` in the file."""
        written = settings.applied(self.base, change)
        try:
            RunConfig.model_validate_json(_json(written))
        except ValidationError as error:
            details = [(detail, path_of(detail, written)) for detail in error.errors()]
            return [
                f"{self._where(path, place)}: {message_of(detail, path, RunConfig, written)}"
                for detail, path in details
            ]
        return []

    def _where(self, path: tuple[str | int, ...], place: tuple[str | int, ...]) -> str:
        if place:
            return f"{self.path}: line {self.document.line(place)}"
        dotted = ".".join(map(str, path))
        given = [key for key in self.overrides if dotted.startswith(key) or key.startswith(dotted)]
        return f"{OVERRIDE} {given[0]}" if given else f"{self.path}: line {self.document.line(('base', *path))}"

    def _search_problems(self, matrix: Matrix) -> Iterator[str]:
        """What the form of the file alone does not tell, of a search and of ranges without one."""
        search = matrix.search
        if search and isinstance(matrix.seeds, UntilDecided):
            yield f"{self._line('seeds')}: design 'search' needs a number or a list of seeds, not 'until: decided'"
        ranges = [path for path, factor in matrix.factors.items() if isinstance(factor, Range)]
        if search is None or search.method == "grid":
            what = "method 'grid'" if search else f"design '{matrix.design}'"
            for path in ranges:
                yield f"{self._line('factors', path)}: factor '{path}' is a range; {what} needs a list of levels"
        if search is None:
            return
        if search.method == "bayesian" and not ranges:
            yield f"{self._line('search', 'method')}: method 'bayesian' needs a range; lists alone are a 'grid'"
        for path in matrix.factors:
            if path.partition(".")[0] == "data":
                yield f"{self._line('factors', path)}: factor '{path}': scores on other data cannot be compared"
        for seed in sorted({*search.seeds} & {*matrix.seed_list()}):
            yield f"{self._line('search', 'seeds')}: search.seeds: {seed} is also one of 'seeds', which must be fresh"

    def _level_problems(self, matrix: Matrix) -> Iterator[str]:
        for path, levels in matrix.factors.items():
            if isinstance(levels, Range):
                for end in ("low", "high"):
                    yield from self._problems({path: getattr(levels, end)}, ("factors", path, end))
                continue
            found = [self._problems({path: level}, ("factors", path, i)) for i, level in enumerate(levels)]
            yield from itertools.chain.from_iterable(found)
            if not any(found):
                yield from self._equal_levels(path, levels)
        for name, change in matrix.cells.items():
            yield from self._problems(change, ("cells", name))
        if isinstance(matrix.baseline, dict):
            yield from self._problems(matrix.baseline, ("baseline",))

    def _equal_levels(self, path: str, levels: Sequence[Any]) -> Iterator[str]:
        first: dict[str, int] = {}
        for j, level in enumerate(levels):
            i = first.setdefault(cell_id(self._config({path: level})), j)
            if i != j:
                line = self.document.line(("factors", path, j))
                both = f"the levels {levels[i]!r} and {level!r} are one configuration"
                yield f"{self.path}: line {line}: factor '{path}': {both}"

    def _config(self, change: Mapping[str, Any]) -> RunConfig:
        return settings.resolved(settings.applied(self.base, change))

    def _cells(self, matrix: Matrix) -> Iterator[Cell]:
        if matrix.design == "cells":
            for name, change in matrix.cells.items():
                yield Cell(self._config(change), name)
            return
        factors = ends(matrix.factors)
        for change in designs.grid(factors):
            problems = self._problems(change, ("factors",))
            self._raise([f"{problem} (with {_spelled(change)})" for problem in problems])
            yield named(self._config(change), change, factors)

    def _same(self, cells: Sequence[Cell]) -> Iterator[str]:
        first: dict[str, Cell] = {}
        for cell in cells:
            other = first.setdefault(cell.cell_id, cell)
            if other is not cell:
                yield f"{self.path}: the cells '{other.name}' and '{cell.name}' are one configuration"

    def _wanted_baseline(self, matrix: Matrix) -> RunConfig:
        change = matrix.cells.get(matrix.baseline, {}) if isinstance(matrix.baseline, str) else matrix.baseline
        if isinstance(matrix.baseline, str) and matrix.baseline not in ("base", *matrix.cells):
            known = ", ".join(["base", *matrix.cells])
            raise MatrixError(f"{self._line('baseline')}: no cell '{matrix.baseline}'; the baseline is one of: {known}")
        return self._config(change)

    def _baseline(self, matrix: Matrix, cells: Sequence[Cell]) -> Cell:
        wanted = cell_id(self._wanted_baseline(matrix))
        for cell in cells:
            if cell.cell_id == wanted:
                return cell
        raise MatrixError(
            f"{self._line('baseline')}: the baseline ({wanted}) is none of the study's {len(cells)} cells; "
            f"each of its settings must be a level of its factor"
        )

    def _searched_baseline(self, matrix: Matrix, search: Search) -> Cell:
        wanted = self._wanted_baseline(matrix)
        point = search.point(wanted)
        if point is None:
            raise MatrixError(
                f"{self._line('baseline')}: the baseline ({cell_id(wanted)}) is not in the space of the search; "
                f"each of its settings must be a level of its factor, or within its range"
            )
        return replace(search.cell(point), levels={}, point="")

    def _line(self, *place: str | int) -> str:
        return f"{self.path}: line {self.document.line(place)}"


def _spelled(change: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={json.dumps(level)}" for path, level in change.items())


def _json(value: object) -> str:
    return json.dumps(value)


def override(text: str) -> tuple[str, Any]:
    """Dotted path and YAML value of ``KEY=VALUE``, as ``--set`` gives it.

    Raises:
        MatrixError: it has another form.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise MatrixError(f"{OVERRIDE} {text}: write KEY=VALUE, for example --set training.epochs=20")
    try:
        return key.strip(), yaml_lines.parse(value).value
    except yaml_lines.YamlError as error:
        raise MatrixError(f"{OVERRIDE} {text}: the value is not YAML: {error}") from error
