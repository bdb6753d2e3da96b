"""The space of a search: its points, and the cell of each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ablations.cell import Cell, cell_id, named
from ablations.designs.grid import combinations
from ablations.matrix import Range, SearchConfig
from ablations.record import canonical
from ablations.settings import Settings, applied, at, resolved
from model.configuration import Configuration

Point = Mapping[str, Any]
Space = Mapping[str, Range | Sequence[Any]]

DIGITS = 3  # of a number from a range, for people


def ends(space: Space) -> dict[str, Sequence[Any]]:
    """Levels, and the two ends of ranges."""
    return {path: (f.low, f.high) if isinstance(f, Range) else f for path, f in space.items()}


@dataclass(frozen=True)
class Search:
    """A search over the levels and ranges of some factors.

    A point has a level or a number for each factor, by the factor's path.

    Attributes:
        config: how to search.
        space: levels or range of each factor.
        base: complete settings that a point changes.
        baseline: cells are named by what differs from it.
    """

    config: SearchConfig
    space: Space
    base: Settings
    baseline: Configuration

    def cell(self, point: Point) -> Cell:
        """The cell of a point, as a trial."""
        ranges = {path: float(f"{x:.{DIGITS}g}") for path, x in point.items() if isinstance(self.space[path], Range)}
        levels = {path: factor for path, factor in self.space.items() if not isinstance(factor, Range)}
        config = resolved(applied(self.base, point))
        written, reference = config.model_dump(mode="json"), self.baseline.model_dump(mode="json")
        same = {path for path in self.space if at(written, path) == at(reference, path)}
        cell = named(config, {**point, **ranges}, levels, same)
        return replace(cell, point=canonical(point))

    def corners(self) -> tuple[Cell, ...]:
        """The cells of all combinations of levels and ends of ranges: the whole space where there is no range."""
        levels = [[{path: level} for level in levels] for path, levels in ends(self.space).items()]
        return tuple(self.cell(point) for point in combinations(levels))

    def point(self, config: Configuration) -> Point | None:
        """The point of a configuration; None if it is not in the space."""
        written = config.model_dump(mode="json")
        try:
            point = {path: self._value(path, at(written, path)) for path in self.space}
        except LookupError:
            return None
        return point if cell_id(self.cell(point).config) == cell_id(config) else None

    def stored(self, point: str) -> Point | None:
        """The point that a trial was, by what the store says of it; None if it is not in the space any more."""
        try:
            return self.point(resolved(applied(self.base, json.loads(point))))
        except ValueError:
            return None

    def _value(self, path: str, value: Any) -> Any:
        factor = self.space[path]
        if not isinstance(factor, Range):
            return self._written[path][canonical(value)]
        if not (isinstance(value, float) and factor.low <= value <= factor.high):
            raise LookupError(path)
        return value

    @cached_property
    def _written(self) -> dict[str, dict[str, Any]]:
        """For each factor with levels, the level as it is written by its complete settings."""

        def complete(path: str, level: Any) -> str:
            return canonical(at(resolved(applied(self.base, {path: level})).model_dump(mode="json"), path))

        lists = {path: factor for path, factor in self.space.items() if not isinstance(factor, Range)}
        return {path: {complete(path, level): level for level in levels} for path, levels in lists.items()}
