"""A matrix file, read and resolved to cells."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ablations import designs, includes, settings
from ablations.cell import Cell, cell_id, short_name
from ablations.checks import Checks
from ablations.columns import RESERVED
from ablations.designs.grid import combinations
from ablations.designs.space import Axis, Change, Draft, Space
from ablations.matrix import MOST_CELLS, MOST_RUNS, Matrix, Range
from ablations.overrides import OPTION, override
from ablations.problems import MatrixError, message_of, nearest, path_of
from ablations.resolution import Cells, Made, Resolver, equal_levels, has_level, unite
from ablations.search import Search, ends
from ablations.settings import Settings
from ablations.task_defaults import task_defaults
from ablations.words import size
from model.configuration import Configuration

MOST_SEEDS = 30  # of --until-decided


@dataclass(frozen=True)
class Study:
    """A resolved matrix: its cells in the order of the file, the baseline among them, the seeds, and the text.

    The text is that of the file, after a comment for what the command line changed. With a ``search`` the baseline is
    the only cell until the winner is known.

    ``notes`` say in words what became of combinations that are no cell of their own.
    """

    matrix: Matrix
    cells: tuple[Cell, ...]
    baseline: Cell
    seeds: tuple[int, ...]
    text: str
    search: Search | None = None
    notes: tuple[str, ...] = ()

    def size(self) -> str:
        """How many cells, seeds and runs, in words."""
        if self.search:
            return f"a search ({self.search.config.method}), then baseline and winner with {len(self.seeds)} seeds"
        return size(len(self.cells), len(self.seeds), self.matrix.stopping())

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
    includes.require(path)
    return _Reader(path, overrides).study(seeds, until_decided)


class _Reader:
    """Turns the file into cells; every problem it meets knows its line."""

    def __init__(self, path: Path, overrides: Sequence[str]) -> None:
        self.given = {given.path: given for given in map(override, overrides)}
        self.source = includes.read(path)

    def study(self, seeds: Sequence[int] | None, until_decided: bool) -> Study:
        value = self.source.value
        if not isinstance(value, dict):
            raise MatrixError(
                f"{self.source.file}: line 1: a matrix is a mapping with the keys {', '.join(Matrix.model_fields)}"
            )
        given = value | task_defaults(self.source) | self._seeds(value.get("seeds"), seeds, until_decided)
        try:
            matrix = Matrix.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise MatrixError("\n".join(self._matrix_problems(error, given))) from error
        values = {path: one.value for path, one in self.given.items()}
        kind, default = settings.kind(matrix.task), settings.defaults(matrix.task)
        self.base = settings.applied(settings.merged(default, matrix.base), values)
        self.checks = Checks(self.source, self.base, self.given, kind)
        _refuse([*self.checks.of_base(), *self.checks.of_metrics(matrix)])
        _refuse([*self.checks.of_search(matrix), *self.checks.of_ties(matrix), *self.checks.of_levels(matrix)])
        changed = [f"# {OPTION} {key}={value}\n" for key, value in values.items()]
        changed += [f"# --seeds {','.join(map(str, seeds))}\n"] if seeds is not None else []
        changed += ["# --until-decided\n"] if until_decided else []
        text = "".join([*changed, self.source.text])
        if matrix.search:
            search = Search(matrix.search, matrix.factors, self.base, self._wanted_baseline(matrix))
            for corner in combinations([[{path: end} for end in f] for path, f in ends(matrix.factors).items()]):
                _refuse(self._spelled(self.checks.of_change(corner, ("factors",)), corner))
            baseline = self._searched_baseline(matrix, search)
            return Study(matrix, (baseline,), baseline, matrix.seed_list(), text, search)
        found, notes = self._cells(matrix)
        return Study(matrix, found, self._baseline(matrix, found), matrix.seed_list(), text, None, notes)

    def _seeds(self, written: Any, seeds: Sequence[int] | None, until_decided: bool) -> dict[str, Any]:
        """What the command line makes of the file's ``seeds``."""
        if isinstance(written, dict):
            if seeds is not None:
                raise MatrixError(
                    f"{self.source.place('seeds')}: seeds are added until the contrasts are decided; --seeds would fix "
                    f"their number after looks at the results. Change min and max"
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
            yield f"{self.source.place(*path)}: {message_of(detail, path, Matrix, value)}{self.source.hint(*path)}"

    def _cells(self, matrix: Matrix) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
        """The cells, and in words what is none."""
        space = self._space(matrix)
        resolver = Resolver(self.base, space, self._wanted_baseline(matrix))
        made = [self._made(resolver, draft) for draft in self._drafts(matrix, space)]
        _refuse(list(dict.fromkeys(self._equal_levels(matrix, space, made))))
        _refuse(list(self._same(made)))
        cells = unite(made, matrix.exclude)
        return cells.cells, tuple(self._notes(matrix, made, cells))

    def _drafts(self, matrix: Matrix, space: Space) -> Sequence[Draft]:
        found: list[Draft] = []
        for number, design in enumerate(matrix.design):
            try:
                found += itertools.islice(design.drafts(space), MOST_CELLS + 1)
            except ValueError as error:
                raise MatrixError(f"{self.source.place('design', number)}: {error}") from error
        runs = len(found) * len(matrix.seed_list())
        if len(found) > MOST_CELLS or runs > MOST_RUNS:
            raise MatrixError(
                f"{self.source.place('design')}: {len(found):,} cells and their seeds make {runs:,} runs; at most "
                f"{MOST_CELLS:,} cells and {MOST_RUNS:,} runs are allowed"
            )
        return found

    def _space(self, matrix: Matrix) -> Space:
        tied = {path: paths for paths in matrix.tied for path in paths}
        lists = {path: levels for path, levels in matrix.factors.items() if not isinstance(levels, Range)}
        groups = dict.fromkeys(tied.get(path, (path,)) for path in lists)
        axes = [
            Axis(
                paths,
                tuple(
                    dict(zip(paths, level, strict=True)) for level in zip(*(lists[path] for path in paths), strict=True)
                ),
            )
            for paths in groups
        ]
        config, change = self._wanted_baseline(matrix), self._baseline_change(matrix)
        dump = config.model_dump(mode="json")
        for design in matrix.design:
            if isinstance(design, designs.Path):
                axes += [
                    Axis((path,), ({path: settings.at(dump, path)}, {path: value})) for path, value in design.to.items()
                ]
        first = tuple(
            next((i for i, level in enumerate(axis.levels) if has_level(config, dump, level)), None) for axis in axes
        )
        return Space(tuple(axes), self._parts(matrix, config), matrix.cells, change, first)

    def _parts(self, matrix: Matrix, baseline: Configuration) -> dict[str, Change]:
        """What the designs switch off, if any does."""
        if not any("parts" in design.needs for design in matrix.design):
            return {}
        if isinstance(matrix.parts, dict):
            dump = baseline.model_dump(mode="json")
            for name, off in matrix.parts.items():
                at = ("parts", name)
                _refuse(self.checks.of(settings.applied(dump, off), at))
                if has_level(baseline, dump, off):
                    raise MatrixError(f"{self.source.place(*at)}: part '{name}' is off in the baseline already")
            return matrix.parts
        known = baseline.switches()
        for number, name in enumerate(matrix.parts):
            if name not in known:
                place = self.source.place("parts", number)
                raise MatrixError(f"{place}: the baseline has no part '{name}'{nearest(name, known)}")
        if not known:
            raise MatrixError(f"{self.source.place('design')}: every part is off in the baseline already")
        return {name: known[name] for name in matrix.parts or known}

    def _made(self, resolver: Resolver, draft: Draft) -> Made:
        change = {path: level for step in draft.steps for path, level in step.items()}
        try:
            return resolver.make(draft)
        except ValidationError:
            problems = self.checks.of(resolver.written(draft.steps)[0], ("factors",))
            raise MatrixError("\n".join(self._spelled(problems, change))) from None

    def _spelled(self, problems: Sequence[str], change: Change) -> list[str]:
        return [f"{problem} (with {_spelled(change)})" for problem in problems]

    def _equal_levels(self, matrix: Matrix, space: Space, made: Sequence[Made]) -> Iterator[str]:
        for axis in space.axes:
            if axis.paths[0] not in matrix.factors:
                continue
            for i, j in equal_levels(axis, made):
                one, other = ([*axis.levels[k].values()] for k in (i, j))
                both = f"the levels {_short(one)} and {_short(other)} are one configuration"
                hint = self.source.hint("factors", axis.paths[0])
                yield f"{self.source.place('factors', axis.paths[0], j)}: factor '{axis.name}': {both}{hint}"

    def _same(self, made: Sequence[Made]) -> Iterator[str]:
        """Written cells that are one configuration."""
        first: dict[str, Made] = {}
        for one in made:
            if one.draft.name:
                other = first.setdefault(one.cell().cell_id, one)
                if other is not one and other.name != one.name and one.name in self.source.value.get("cells", {}):
                    yield f"{self.source.file}: the cells '{other.name}' and '{one.name}' are one configuration"

    def _notes(self, matrix: Matrix, made: Sequence[Made], cells: Cells) -> Iterator[str]:
        for number, (predicate, count) in enumerate(zip(matrix.exclude, cells.excluded, strict=True)):
            if not count:
                raise MatrixError(f"{self.source.place('exclude', number)}: exclude: no cell is {_spelled(predicate)}")
        if any(cells.excluded):
            yield f"{len(made) - len(cells.cells) - cells.collapsed} combinations are excluded"
        if cells.collapsed:
            yield (
                f"{cells.collapsed} combinations are a cell already: designs share it, or a factor has no effect in it"
            )

    def _baseline_change(self, matrix: Matrix) -> Change:
        return matrix.cells.get(matrix.baseline, {}) if isinstance(matrix.baseline, str) else matrix.baseline

    def _wanted_baseline(self, matrix: Matrix) -> Configuration:
        if isinstance(matrix.baseline, str) and matrix.baseline not in ("base", *matrix.cells):
            known = ", ".join(["base", *matrix.cells])
            at = self.source.place("baseline")
            raise MatrixError(f"{at}: no cell '{matrix.baseline}'; the baseline is one of: {known}")
        return settings.resolved(settings.applied(self.base, self._baseline_change(matrix)))

    def _baseline(self, matrix: Matrix, cells: Sequence[Cell]) -> Cell:
        wanted = cell_id(self._wanted_baseline(matrix))
        for cell in cells:
            if cell.cell_id == wanted:
                return cell
        excluded = " that are not excluded" if matrix.exclude else ""
        raise MatrixError(
            f"{self.source.place('baseline')}: the baseline ({wanted}) is none of the study's {len(cells)} cells"
            f"{excluded}; each of its settings must be a level of its factor{self.source.hint('factors')}"
        )

    def _searched_baseline(self, matrix: Matrix, search: Search) -> Cell:
        wanted = self._wanted_baseline(matrix)
        point = search.point(wanted)
        if point is None:
            raise MatrixError(
                f"{self.source.place('baseline')}: the baseline ({cell_id(wanted)}) is not in the space of the search; "
                f"each of its settings must be a level of its factor, or within its range{self.source.hint('factors')}"
            )
        return replace(search.cell(point), levels={}, point="")


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        raise MatrixError("\n".join(dict.fromkeys(problems)))


def _short(level: Sequence[Any]) -> str:
    return " and ".join(map(repr, level))


def _spelled(change: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={json.dumps(level)}" for path, level in change.items())
