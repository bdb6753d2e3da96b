"""What a design chooses from, and what it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.cell import label, level_label
from model.configuration import Configuration

Change = dict[str, Any]  # values by dotted path


@dataclass(frozen=True)
class Axis:
    """A factor: one setting, or several that are tied and change together.

    Attributes:
        paths: dotted paths of the settings.
        levels: each a value for every path.
    """

    paths: tuple[str, ...]
    levels: tuple[Change, ...]

    @property
    def name(self) -> str:
        """The path; of tied settings all of them."""
        return "+".join(self.paths)

    def label(self, config: Configuration, level: Change) -> str:
        """Of a level, for tables."""
        return "+".join(
            level_label(config, path, [other[path] for other in self.levels], level[path]) for path in self.paths
        )

    def words(self, config: Configuration, level: Change) -> str:
        """Of a level, for the name of a cell: it says of what it is a level."""
        return " ".join(
            level_label(config, path, [other[path] for other in self.levels], value)
            if isinstance(value := level[path], dict)
            else label(config, path, value)
            for path in self.paths
        )


@dataclass(frozen=True)
class Space:
    """What a design may choose from.

    Attributes:
        axes: the factors.
        parts: of the loss and the network, each with what switches it off.
        cells: that are written out, by name.
        baseline: what it changes of the base.
        first: for each axis the place of the baseline's level; None if it has none of them.
    """

    axes: tuple[Axis, ...]
    parts: Mapping[str, Change]
    cells: Mapping[str, Change]
    baseline: Change
    first: tuple[int | None, ...]

    def chosen(self, paths: Sequence[str]) -> tuple[Axis, ...]:
        """The axes of these paths; all if there are none."""
        return tuple(axis for axis in self.axes if not paths or {*axis.paths} & {*paths})


@dataclass(frozen=True)
class Draft:
    """A cell before it is resolved.

    Attributes:
        steps: changes of the base, one on top of the other.
        name: for people; empty for what differs from the baseline.
    """

    steps: tuple[Change, ...]
    name: str = ""
