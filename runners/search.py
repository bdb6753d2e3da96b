"""How far a search is by what the store has of it, what is to be run, and who won."""

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from ablations.cell import Cell
from ablations.record import Kind, Metric, Plan, PlannedCell, RunRecord, Tag
from ablations.search import Point, Search
from ablations.study import Study
from runners import ledger
from runners.executors import Exploration
from runners.ledger import Ledger
from runners.planner import Pack, RunSpec, missing_runs, planned, run_spec

# The score of a trial with a run that did not finish. A metric may be negative, so no number is the worst.
WORST = -math.inf


@dataclass(frozen=True)
class Trials:
    """The trials of a search that have begun.

    Attributes:
        search: the search.
        study: the trials as cells, with the seeds of the search.
        plan: of these; it compares them on dev.
        missing: runs of these that are not complete.
        scores: of the runs that finished, by run key.
    """

    search: Search
    study: Study
    plan: Plan
    missing: Sequence[RunSpec]
    scores: Mapping[str, float]

    @property
    def wanted(self) -> int:
        """How many trials are still to begin."""
        return max(0, (self.search.config.trials or 0) - len(self.plan.cells))

    @property
    def complete(self) -> bool:
        """Whether there is nothing to run."""
        return not self.missing and not self.wanted

    def ended(self) -> int:
        """How many trials have all their runs."""
        return len(self.plan.cells) - len({run.cell_id for run in self.missing})

    def score(self, cell: PlannedCell) -> float:
        """Mean over the seeds of the search; the worst if one did not finish."""
        scores = [self.scores.get(self.plan.run_key(cell, seed)) for seed in self.plan.seeds]
        finished = [score for score in scores if score is not None]
        return fmean(finished) if len(finished) == len(scores) else WORST

    def verdict(self) -> str:
        """Who won, in words."""
        config, winner = self.search.config, self.winner()
        tried = f"{len(self.plan.cells)} trials by mean {config.metric} over {len(config.seeds)} seeds"
        if winner is None:
            return f"none of {tried} finished: there is no winner"
        entry = next(entry for entry in self.plan.cells if entry.cell_id == winner.cell_id)
        if winner.cell_id == self.plan.baseline:
            return f"the baseline is the best of {tried}: {self.score(entry):.3f}"
        baseline = next(entry for entry in self.plan.cells if entry.cell_id == self.plan.baseline)
        reached = self.score(baseline)
        words = f"baseline {reached:.3f}" if math.isfinite(reached) else "the baseline did not finish"
        return (
            f"the best of {tried} is {winner.name}: {self.score(entry):.3f}, {words}. "
            f"The test of the winner is what both do on fresh seeds"
        )

    def exploration(self) -> Exploration:
        """The trials that are still to begin."""
        known = [
            (point, self.score(entry))
            for cell, entry in zip(self.study.cells, self.plan.cells, strict=True)
            if (point := self.search.stored(cell.point)) is not None
        ]
        pack = functools.partial(_pack, self.search, self.plan)
        score = functools.partial(_score, self.plan.metric.name, len(self.plan.seeds))
        return Exploration(self.search.space, known, self.wanted, pack, score)

    def winner(self) -> Cell | None:
        """The trial with the best score; of equals the baseline, then the first by id. None if none finished."""

        def rank(entry: PlannedCell) -> tuple[float, bool, str]:
            return -self.score(entry), entry.cell_id != self.plan.baseline, entry.cell_id

        best = min(self.plan.cells, key=rank)
        finished = all(self.plan.run_key(best, seed) in self.scores for seed in self.plan.seeds)
        return self.study.cells[self.plan.cells.index(best)] if finished else None


def read(uri: str, study: Study, plan: Plan) -> Trials:
    """What the store has of a study's search.

    Args:
        uri: absolute URI of the store.
        study: the resolved matrix.
        plan: of the study as long as the winner is not known.

    Raises:
        StoreError: the store cannot be read.
    """
    search = study.search
    assert search is not None
    known = ledger.read(uri, plan.study)
    seeds = search.config.seeds
    baseline = search.point(study.baseline.config)
    assert baseline is not None
    first = replace(study, baseline=search.cell(baseline), seeds=seeds)
    cells = search.corners() if search.config.method == "grid" else tuple(_begun(first, plan, known))
    trials = replace(first, cells=cells)
    data = plan.cells[0].data_digest
    own = replace(
        plan,
        metric=Metric(f"best/{search.config.metric}", "max"),
        factors=trials.factors(),
        cells=tuple(planned(cell, data) for cell in cells),
        seeds=seeds,
    )
    scores = ledger.metric(uri, plan.study, own.metric.name)
    complete = known.complete(Kind.SEARCH)
    by_key = {run.tags[Tag.RUN_KEY]: scores[run.run_id] for run in complete if run.run_id in scores}
    return Trials(search, trials, own, missing_runs(trials, own, known.done(Kind.SEARCH)), by_key)


def _begun(study: Study, plan: Plan, known: Ledger) -> Iterator[Cell]:
    """The baseline, then each trial of the search that the store has any run of, in the order in which they began.

    A trial by other code, on other data or from another base has other run keys: it is none of this search.
    """
    search = study.search
    assert search is not None
    yield study.baseline
    seen = {study.baseline.cell_id}
    for run in known.of(Kind.SEARCH):
        point = search.stored(run.tags[Tag.POINT])
        seed = int(run.tags[Tag.SEED])
        if point is None or seed not in study.seeds:
            continue
        cell = search.cell(point)
        entry = planned(cell, plan.cells[0].data_digest)
        if cell.cell_id not in seen and plan.run_key(entry, seed) == run.tags[Tag.RUN_KEY]:
            seen.add(cell.cell_id)
            yield cell


def _pack(search: Search, plan: Plan, point: Point) -> Pack:
    cell = search.cell(point)
    entry = planned(cell, plan.cells[0].data_digest)
    return Pack(tuple(run_spec(plan, cell, entry, seed) for seed in plan.seeds))


def _score(metric: str, seeds: int, records: Iterable[RunRecord]) -> float:
    scores = [record.final[metric] for record in records if metric in record.final]
    return fmean(scores) if len(scores) == seeds else WORST


def decided(study: Study, plan: Plan, winner: Cell) -> tuple[Study, Plan]:
    """The study and its plan with the winner beside the baseline; as they are if the baseline won."""
    if winner.cell_id == study.baseline.cell_id:
        return study, plan
    cell = replace(winner, name=f"{winner.name} (winner)", levels={}, point="")
    cells = (*plan.cells, planned(cell, plan.cells[0].data_digest))
    return replace(study, cells=(*study.cells, cell)), replace(plan, cells=cells)
