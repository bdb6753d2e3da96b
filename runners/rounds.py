"""The rounds of a study whose seeds are added until its contrasts are decided.

How many seeds a contrast gets is decided by the compared metric, on test: the only use of it outside of the analysis.
It chooses no configuration, and the claims stay valid however often one looks (``ablations.sequential``).
"""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ablations import sequential
from ablations.record import Plan, Tag
from ablations.sequential import Decision, Path
from ablations.study import Study
from runners import ledger
from runners.ledger import Ledger
from runners.planner import RunSpec, missing_runs

COLUMNS = ("cell", "name", "seeds", "pairs", "difference", "low", "high", "e_value", "threshold", "decision")


@dataclass(frozen=True)
class Round:
    """How far a study is.

    Attributes:
        plan: of the study.
        paths: of its contrasts.
        runs: that it needs next; none when it is at its end.
        most: runs that it may need in all from here.
    """

    plan: Plan
    paths: list[Path]
    runs: list[RunSpec]
    most: int

    def verdict(self) -> str:
        """Which contrasts are decided, in words."""
        decided = [path for path in self.paths if path.decision is not Decision.UNDECIDED]
        words = [f"{path.cell.name} {path.decision} after {path.looks[-1].seeds} seeds" for path in decided]
        waiting = sum(path.waiting for path in self.paths)
        words += [f"{waiting} need more seeds"] if waiting else []
        return "; ".join([f"decided: {len(decided)} of {len(self.paths)} contrasts", *words])

    def csv(self) -> str:
        """The paths, a line for each look."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(COLUMNS)
        for path in self.paths:
            for look in path.looks:
                numbers = (look.seeds, look.n, look.difference, look.low, look.high, look.e_value)
                threshold = sequential.threshold(self.plan)
                writer.writerow([path.cell.cell_id, path.cell.name, *numbers, threshold, look.decision])
        return buffer.getvalue()


def read(uri: str, study: Study, plan: Plan, jobs: int, tried: Collection[str] = ()) -> Round:
    """The next round by what the store has.

    The first round is of the seeds that all need. Then each adds a quarter to the seeds of every contrast that is not
    decided, and more where that would leave jobs idle: a round costs seconds to start, and ends when its last run does.
    Seeds of a round that come after the decision of their contrast are not used.

    Args:
        uri: absolute URI of the store.
        study: the resolved matrix.
        plan: of the study.
        jobs: trials at once.
        tried: keys of runs not to be tried again; if they failed, the seed gives no pair.

    Raises:
        StoreError: the store cannot be read.
    """
    scores = dict.fromkeys(tried) | _scores(uri, plan, ledger.read(uri, plan.study))
    found = sequential.paths(plan, scores)
    wanted = sequential.needed(plan, found, _ahead(plan, found, jobs)) - scores.keys()
    most = sequential.needed(plan, found, len(plan.seeds)) - scores.keys()
    return Round(plan, found, missing_runs(study, plan, plan.run_keys().keys() - wanted), len(most))


def _ahead(plan: Plan, found: Sequence[Path], jobs: int) -> int:
    """Seeds of the next round beyond the next seed."""
    waiting = [path.wanted for path in found if path.waiting]
    furthest = max(waiting, default=0)
    if furthest <= sequential.first_round(plan):
        return 0
    return max(furthest // 4, -(-jobs // (1 + len(waiting))) - 1)


def _scores(uri: str, plan: Plan, known: Ledger) -> dict[str, float | None]:
    """Of the complete runs by key; None for a diverged one."""
    values = ledger.metric(uri, plan.study, plan.metric.name)
    return {run.tags[Tag.RUN_KEY]: values.get(run.run_id) for run in known.complete()}
