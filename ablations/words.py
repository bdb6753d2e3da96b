"""What cells and their levels are called. Standard library only: both sides use these words."""

from collections.abc import Iterable

from ablations.record import Plan, Stopping

BASELINE_NAME = "baseline"  # of the cell from which nothing differs
NOT_APPLICABLE = "–"  # level of a factor that the chosen kind does not have
ON, OFF = "on", "off"  # levels of a part


def marked(name: str, marks: Iterable[str]) -> str:
    """The name of a cell and in brackets what it is; that the cell called baseline is the baseline is said once."""
    words = ", ".join(mark for mark in marks if mark != name)
    return f"{name} ({words})" if words else name


def reference(plan: Plan) -> str:
    """The baseline's level of each factor, in words; empty where its name tells what it is."""
    cell = next(cell for cell in plan.cells if cell.cell_id == plan.baseline)
    told = {path: level for path, level in cell.levels.items() if level not in (NOT_APPLICABLE, ON)}
    words = ", ".join(f"{plan.factors[path]}={level}" for path, level in told.items())
    return words if cell.name == BASELINE_NAME else ""


def size_of(plan: Plan) -> str:
    """How many cells, seeds and runs a plan has, in words."""
    return size(len(plan.cells), len(plan.seeds), plan.stopping)


def size(cells: int, most: int, stopping: Stopping | None) -> str:
    """The same of a study; ``most`` are the seeds that a cell may have."""
    if stopping is None:
        return f"{cells} cells x {most} seeds = {cells * most} runs"
    least = stopping.least
    return f"{cells} cells x {least} to {most} seeds = {cells * least} to {cells * most} runs, until decided"
