"""Cells out of drafts: complete configurations with their names and levels, each once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from ablations.cell import Cell, label
from ablations.designs.space import Axis, Change, Draft, Space
from ablations.exclusion import matches
from ablations.settings import Settings, applied, at, resolved
from ablations.words import BASELINE_NAME, NOT_APPLICABLE, OFF, ON
from model.configuration import Configuration


@dataclass(frozen=True)
class Made:
    """A draft as a configuration.

    Attributes:
        draft: the draft.
        config: the configuration.
        cell_id: its id.
        levels: label of its level of each factor and part, by path or name.
        name: for people.
    """

    draft: Draft
    config: Configuration
    levels: Mapping[str, str]
    name: str

    def cell(self) -> Cell:
        """The cell."""
        return Cell(self.config, self.name, self.levels)


@dataclass(frozen=True)
class Cells:
    """The cells of a matrix.

    Attributes:
        cells: in order, each once.
        collapsed: drafts that were a cell already, as a factor has no effect in them, or as designs share them.
        excluded: drafts that each predicate leaves out.
    """

    cells: tuple[Cell, ...]
    collapsed: int
    excluded: tuple[int, ...]


class Resolver:
    """Makes configurations out of drafts."""

    def __init__(self, base: Settings, space: Space, baseline: Configuration) -> None:
        """Nothing is made yet.

        Args:
            base: complete settings.
            space: what the drafts are made of.
            baseline: cells are named by what differs from it.
        """
        self.base, self.space = base, space
        paths = [path for axis in space.axes for path in axis.paths]
        self.conditional = {path for path in paths if any(path.startswith(f"{other}.") for other in paths)}
        self.baseline = self._levels(baseline)

    def written(self, steps: Sequence[Change], without: Iterable[str] = ()) -> tuple[Settings, set[str]]:
        """Settings after these changes, and the paths among them that the chosen kinds do not have.

        What is above is changed before what is below it.
        """
        current, left_out = self.base, {*without}
        for step in steps:
            for path in sorted(step, key=lambda path: path.count(".")):
                if path in self.conditional and not has(current, path):
                    left_out.add(path)
                if path not in left_out:
                    current = applied(current, {path: step[path]})
        return current, left_out

    def make(self, draft: Draft) -> Made:
        """The configuration of a draft.

        Raises:
            ValidationError: its settings contradict one another.
        """
        config, left_out = self._config(draft.steps)
        change = {path: value for step in draft.steps for path, value in step.items()}
        levels = self._levels(config, left_out)
        return Made(draft, config, levels, draft.name or self._name(config, levels, change))

    def _config(self, steps: Sequence[Change]) -> tuple[Configuration, set[str]]:
        written, left_out = self.written(steps)
        config = resolved(written)
        inert = {path for step in steps for path in step} & {*config.inert()}
        if inert:
            written, left_out = self.written(steps, inert)
            config = resolved(written)
        return config, left_out

    def _levels(self, config: Configuration, left_out: Iterable[str] = ()) -> dict[str, str]:
        skipped, dump = {*left_out}, config.model_dump(mode="json")
        levels = {}
        for axis in self.space.axes:
            if skipped & {*axis.paths} or not all(has(dump, path) for path in axis.paths):
                levels[axis.name] = NOT_APPLICABLE
            else:
                levels[axis.name] = self._label(config, dump, axis)
        for name, off in self.space.parts.items():
            levels[name] = OFF if has_level(config, dump, off) else ON
        return levels

    def _label(self, config: Configuration, dump: Settings, axis: Axis) -> str:
        # Most levels are there as they are written, which is seen at once.
        written = [level for level in axis.levels if all(at(dump, path) == value for path, value in level.items())]
        for level in written or axis.levels:
            if has_level(config, dump, level):
                return axis.label(config, level)
        return "+".join(label(config, path, at(dump, path)).rpartition("=")[2] for path in axis.paths)

    def _name(self, config: Configuration, levels: Mapping[str, str], change: Mapping[str, Any]) -> str:
        dump = config.model_dump(mode="json")
        words = []
        for axis in self.space.axes:
            if levels[axis.name] in (NOT_APPLICABLE, self.baseline[axis.name]):
                continue
            level = {path: change.get(path, at(dump, path)) for path in axis.paths}
            words.append(axis.words(config, level))
        words += [f"no {part}" for part in self.space.parts if levels[part] == OFF != self.baseline[part]]
        return " ".join(words) or BASELINE_NAME


def has(settings: Mapping[str, Any], path: str) -> bool:
    """Whether the kinds that settings choose have a setting of this path."""
    parent, _, name = path.rpartition(".")
    complete = resolved(settings).model_dump(mode="json")
    holder = at(complete, parent) if parent else complete
    return isinstance(holder, Mapping) and name in holder


def has_level(config: Configuration, dump: Settings, change: Change) -> bool:
    """Whether a configuration has what a change sets: it changes nothing."""
    try:
        return resolved(applied(dump, change)) == config
    except ValidationError:
        return False


def unite(made: Iterable[Made], exclude: Sequence[Mapping[str, Any]]) -> Cells:
    """Each configuration once, without those that a predicate leaves out."""
    cells: dict[str, Cell] = {}
    collapsed, excluded = 0, [0] * len(exclude)
    for one in made:
        dump = one.config.model_dump(mode="json")
        found = [i for i, predicate in enumerate(exclude) if matches(dump, predicate)]
        for i in found:
            excluded[i] += 1
        if found:
            continue
        cell = one.cell()
        collapsed += cells.setdefault(cell.cell_id, cell) is not cell
    return Cells(tuple(_distinct(cells.values())), collapsed, tuple(excluded))


def _distinct(cells: Iterable[Cell]) -> Iterator[Cell]:
    """Each with a name of its own: two numbers may be the same in six digits, two files may differ in their folder."""
    taken = set[str]()
    for cell in cells:
        name = f"{cell.name} ({cell.cell_id.rpartition('-')[2]})" if cell.name in taken else cell.name
        taken.add(name)
        yield replace(cell, name=name)


def equal_levels(axis: Axis, made: Sequence[Made]) -> Iterator[tuple[int, int]]:
    """Places of two levels of an axis that are one configuration wherever they are tried."""
    places: dict[str, int] = {}
    for j, level in enumerate(axis.levels):
        i = places.setdefault(_key(level), j)
        if i != j:
            yield i, j
    cells: dict[int, set[str]] = {place: set() for place in places.values()}
    for one in made:
        change = {path: value for step in one.draft.steps for path, value in step.items() if path in axis.paths}
        if _key(change) in places:
            cells[places[_key(change)]].add(one.cell().cell_id)
    first: dict[frozenset[str], int] = {}
    for j, ids in cells.items():
        i = first.setdefault(frozenset(ids), j)
        if ids and i != j:
            yield i, j


def _key(level: Mapping[str, Any]) -> str:
    return repr(sorted(level.items()))
