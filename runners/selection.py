"""Which of a study's runs are asked for."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ablations.problems import MatrixError

if TYPE_CHECKING:
    from ablations.record import Plan
    from ablations.study import Study
    from runners.ledger import Ledger
    from runners.planner import RunSpec


class Rerun(StrEnum):
    """What is run again."""

    FAILED = "failed"
    STALE = "stale"
    ALL = "all"


@dataclass(frozen=True)
class Selection:
    """By default, what is missing: what never ran, what failed, and what only other code or data made.

    Attributes:
        only: a cell by its id, one run as ``CELL:SEED``, or the beginning of run keys; None for all.
        rerun: of what is missing, what failed or what is stale alone; or all, also what is finished.
    """

    only: str | None = None
    rerun: Rerun | None = None

    @property
    def given(self) -> bool:
        """Whether it is any but the default."""
        return self.only is not None or self.rerun is not None

    def check(self, study: "Study", plan: "Plan") -> None:
        """Refuse what selects nothing, or cannot.

        Raises:
            MatrixError: with the alternatives.
        """
        if self.given and study.search:
            raise MatrixError("--only and --rerun: what a search runs depends on its scores; run its matrix again")
        if self.only is not None and not self._named(plan):
            ids = ", ".join(cell.cell_id for cell in plan.cells[:8])
            more = ", ..." if len(plan.cells) > 8 else ""
            raise MatrixError(
                f"--only {self.only}: write the id of a cell, one run of it as ID:SEED, or the beginning of a run key; "
                f"the cells are {ids}{more} (--dry-run lists all)"
            )

    def runs(self, study: "Study", plan: "Plan", known: "Ledger") -> "list[RunSpec]":
        """What is to be run, in order; of a study that adds seeds, of all that it may have.

        Args:
            study: the resolved matrix.
            plan: what the study should hold.
            known: what the store has.
        """
        from runners.planner import missing_runs

        again = self.rerun is Rerun.ALL
        runs = missing_runs(study, plan, () if again else known.done())
        wanted = self._named(plan) if self.only is not None else plan.run_keys().keys()
        if self.rerun is Rerun.FAILED:
            wanted = wanted & known.failed(plan)
        if self.rerun is Rerun.STALE:
            wanted = wanted & set(known.stale(plan))
        if again and plan.stopping and not self.only:
            wanted = wanted & known.done()
        return [run for run in runs if run.run_key in wanted]

    def _named(self, plan: "Plan") -> set[str]:
        only = self.only
        if not only:
            return set()
        named = plan.run_keys().items()
        exact = {key for key, (cell, seed) in named if only in (cell.cell_id, f"{cell.cell_id}:{seed}")}
        return exact or {key for key, _ in named if key.startswith(only)}


EVERYTHING = Selection()
