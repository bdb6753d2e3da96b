"""Whether the cells of a study may be compared: equal training, selection and data, unless that is what it varies."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ablations.record import Plan, PlannedCell
from analysis.data_factors import explained
from analysis.runs import StudyError

# A comparison that differs in one of these by accident is unfair: more training, another choice of the epoch, or
# another test set. By name of the option that allows it, what it is in the configuration.
SETTINGS = {"epochs": "training.epochs", "select": "training.select", "data": "data"}
NAMED = 5


@dataclass(frozen=True)
class Mixture:
    """A setting that is not the same in all cells.

    Attributes:
        name: one of ``SETTINGS``.
        values: names of the cells with each value, the baseline's first.
        declared: whether the study varies it on purpose, as a factor.
    """

    name: str
    values: Mapping[str, list[str]]
    declared: bool

    @property
    def path(self) -> str:
        """Of the setting."""
        return SETTINGS[self.name]

    def sentence(self) -> str:
        """For a caption."""
        values = ", ".join(self.values)
        if self.declared:
            return f"Cells differ in {self.path} ({values}), which the study varies."
        return f"MIXED: cells differ in {self.path} ({values}), which is no factor of the study."

    def refusal(self) -> str:
        """For an error."""
        (own, _), *others = self.values.items()
        parts = "; ".join(f"{value}: {_some(cells)}" for value, cells in others)
        return f"{self.path} is {own} in the baseline, but {parts}"


def mixtures(plan: Plan, search: Plan | None = None) -> list[Mixture]:
    """The settings that are not the same in all cells.

    Args:
        plan: the study's.
        search: of the search that chose one of its cells; what it searched over is declared.
    """
    factors = [*plan.factors, *(search.factors if search else ())]
    found = []
    for name, path in SETTINGS.items():
        values: dict[str, list[str]] = {}
        first, *others = sorted(plan.cells, key=lambda cell: cell.cell_id != plan.baseline)
        for cell in (first, *others):
            values.setdefault(_value(cell, path, first), []).append(cell.name)
        if len(values) > 1:
            declared = any(_touch(path, factor) for factor in factors) or (name == "data" and explained(plan))
            found.append(Mixture(name, values, declared))
    return found


def refuse(study: str, mixed: Collection[Mixture], allowed: Collection[str]) -> None:
    """Refuse to compare cells that are not alike.

    Args:
        study: its name.
        mixed: what is not the same in all cells.
        allowed: names of settings that need not be.

    Raises:
        StudyError: a setting differs that is neither a factor nor allowed; or there is no setting of an allowed name.
    """
    unknown = [name for name in allowed if name not in SETTINGS]
    if unknown:
        raise StudyError(f"'{unknown[0]}' cannot be allowed to be mixed; what can be: {', '.join(SETTINGS)}")
    refused = [mixture for mixture in mixed if not mixture.declared and mixture.name not in allowed]
    if refused:
        what = "".join(f"\n  {mixture.refusal()}" for mixture in refused)
        names = ",".join(mixture.name for mixture in refused)
        raise StudyError(
            f"the cells of the study '{study}' are not comparable:{what}\nMake them alike, or declare as a factor what "
            f"is meant to vary; --allow-mixed {names} compares them all the same, and says so."
        )


def _value(cell: PlannedCell, path: str, baseline: PlannedCell) -> str:
    if path == "data":
        return baseline.data_digest if _fewer_modalities(cell, baseline) else cell.data_digest
    section, _, key = path.partition(".")
    # Configurations by an older version may lack it: then it was the same in all cells.
    return str(cell.config.get(section, {}).get(key))


def _fewer_modalities(cell: PlannedCell, baseline: PlannedCell) -> bool:
    """Whether two cells differ in which modalities of the same utterances they see."""
    one, other = (dict(each.config.get("data", {})) for each in (cell, baseline))
    return one.pop("features", None) != other.pop("features", None) and one == other


def _touch(path: str, factor: str) -> bool:
    """Whether one path is the other or lies in it."""
    return f"{path}.".startswith(f"{factor}.") or f"{factor}.".startswith(f"{path}.")


def _some(cells: list[str]) -> str:
    more = len(cells) - NAMED
    return ", ".join(cells[:NAMED]) + (f" and {more} more" if more > 0 else "")
