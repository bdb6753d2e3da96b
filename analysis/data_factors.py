"""Which factors of a study choose the data: settings of the project's own data, or of a user's task."""

from ablations.record import Plan

SAME_DATA = "data.features"  # other columns of the same utterances


def data_factors(plan: Plan) -> list[str]:
    """Paths of the factors whose levels are data sets.

    Those under ``data``; or those of which each level gives otherwise equal cells other data; or, where no two cells
    differ in one factor alone, those that tell the data by themselves.
    """
    candidates = [path for path in plan.factors if path != SAME_DATA]
    named = [path for path in candidates if f"{path}.".startswith("data.")]
    return (
        named
        or [path for path in candidates if _changes_data(plan, path)]
        or [path for path in candidates if _tells_data(plan, [path])]
    )


def explained(plan: Plan) -> bool:
    """Whether cells whose data differ are told apart by a factor that chooses the data."""
    return _tells_data(plan, data_factors(plan))


def _changes_data(plan: Plan, path: str) -> bool:
    alike: dict[tuple[str, ...], list[str]] = {}
    for cell in plan.cells:
        others = tuple(level for other, level in cell.levels.items() if other != path)
        alike.setdefault(others, []).append(cell.data_digest)
    several = [data for data in alike.values() if len(data) > 1]
    return bool(several) and all(len(set(data)) == len(data) for data in several)


def _tells_data(plan: Plan, paths: list[str]) -> bool:
    """Whether data differ, and are the same wherever the levels of some factors are."""
    data: dict[tuple[str, ...], set[str]] = {}
    for cell in plan.cells:
        data.setdefault(tuple(cell.levels[path] for path in paths), set()).add(cell.data_digest)
    return len(data) > 1 and all(len(found) == 1 for found in data.values()) and len(set.union(*data.values())) > 1
