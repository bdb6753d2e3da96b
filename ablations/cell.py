"""Identity and names of a cell."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from ablations.record import digest
from ablations.settings import defaults, leaves
from ablations.words import BASELINE_NAME
from model.configuration import Configuration

SECTIONS = ("loss", "model", "training", "data")
READABLE = 40


@dataclass(frozen=True)
class Cell:
    """One complete configuration: everything that can change a result except the seed.

    Attributes:
        config: the configuration.
        name: what differs within the study, for people.
        levels: label of the level of each factor, by the factor's path.
        point: of a trial of a search, its level of each factor as JSON.
    """

    config: Configuration
    name: str
    levels: Mapping[str, str] = field(default_factory=dict)
    point: str = ""

    @cached_property
    def cell_id(self) -> str:
        """What differs from the defaults, shortened, and the hash of the complete configuration."""
        return cell_id(self.config)


def cell_id(config: Configuration) -> str:
    """A short readable part and the hash of the canonical JSON of the complete configuration."""
    return f"{','.join(differences(config))[:READABLE] or 'default'}-{digest(config.identity())}"


def differences(config: Configuration) -> list[str]:
    """What differs from the defaults, a word for each setting."""
    identity, default = leaves(config.identity()), leaves(defaults(config.task))
    changed = [path for path, value in identity.items() if path in default and default[path] != value]
    changed.sort(key=lambda path: SECTIONS.index(path.partition(".")[0]))
    # Beside the hash six digits are enough.
    return [label(config, path, identity[path], digits=6) for path in changed]


def short_name(config: Configuration, path: str) -> str:
    """The short title that a configuration declares for a field, or the field's name; of tied ones, of each."""
    if "+" in path:
        return "+".join(short_name(config, tied) for tied in path.split("+"))
    *parents, name = path.split(".")
    holder: Any = config
    for parent in parents:
        holder = getattr(holder, parent, None)
    # A field that the configuration's kind does not have, or a key of a mapping, has no title.
    field = type(holder).model_fields.get(name) if isinstance(holder, BaseModel) else None
    return (field and field.title) or name


def label(config: Configuration, path: str, value: object, digits: int | None = None) -> str:
    """``enc=0.03``; kinds, lists and mappings speak for themselves, and a file's folder does not identify it.

    A number has as many digits as it takes to tell it from every other, or those that are asked for.
    """
    if path == "data.path":
        value = PurePath(str(value)).name
    if isinstance(value, Mapping):
        return str(value.get("kind", value))
    if path.endswith(".kind"):
        return str(value)
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    return f"{short_name(config, path)}={plain(value, digits)}"


def named(
    config: Configuration, change: Mapping[str, Any], factors: Mapping[str, Sequence[Any]], same: Collection[str]
) -> Cell:
    """The cell of a configuration, named after the levels that are not those of the baseline.

    Args:
        config: the configuration.
        change: the level of each factor, by path.
        factors: all levels of the factors whose levels may be mappings, by path.
        same: paths of the factors with the baseline's level.
    """
    levels = {path: level_label(config, path, factors.get(path, ()), level) for path, level in change.items()}
    words = (
        levels[path] if isinstance(level, dict) else label(config, path, level)
        for path, level in change.items()
        if path not in same
    )
    return Cell(config, " ".join(words) or BASELINE_NAME, levels)


def level_label(config: Configuration, path: str, levels: Sequence[Any], level: Any) -> str:
    """Label of a level; kinds that occur once speak for themselves, others with the settings that are written."""
    if not isinstance(level, dict):
        return label(config, path, level).rpartition("=")[2]
    kind = str(level.get("kind", ""))
    alike = [other for other in levels if isinstance(other, dict) and other.get("kind", "") == kind]
    rest = ",".join(f"{key}={value}" for key, value in level.items() if key != "kind")
    return kind if kind and len(alike) == 1 else f"{kind}({rest})"


def plain(value: object, digits: int | None = None) -> str:
    """A number without noise (``0.05``), in these or in the fewest digits that tell it, six at least; else as it is."""
    if not isinstance(value, float):
        return str(value)
    if digits:
        return f"{value:.{digits}g}"
    return next(text for count in range(6, 18) if float(text := f"{value:.{count}g}") == value)
