"""How far a study is, run by run: what the live view shows.

The runs are bytes of a grid, cell by cell and seed by seed, so that an event costs the same in a study of any size.
Packs are handed out in a thread of the executor's and the screen is drawn in one of its own: what these touch is
changed by single steps, and there is no lock that a signal could find taken.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from ablations.record import Kind, Outcome, Plan, RunRecord, Tag
from runners import ledger
from runners.leader import Leader
from runners.ledger import Ledger
from runners.planner import RunSpec

RECENT = 4096  # last events by which the cells are chosen that a small screen shows


class Mark(IntEnum):
    """State of a run. One that has begun was handed out, and may still wait for its process."""

    BLANK = 0
    WAITING = 1
    BEGUN = 2
    FINISHED = 3
    STORED = 4
    DIVERGED = 5
    FAILED = 6


OPEN = (Mark.WAITING, Mark.BEGUN)
ENDS = {Outcome.FINISHED: Mark.FINISHED, Outcome.DIVERGED: Mark.DIVERGED, Outcome.FAILED: Mark.FAILED}


class Status(StrEnum):
    """State of a cell."""

    DONE = "done"
    OPEN = "to go"
    FAILED = "with failures"
    BLANK = "not asked for"


@dataclass(frozen=True)
class Failure:
    """Runs that failed with one error: how many, the first of them, and the command that repeats it alone."""

    error: str
    count: int
    name: str
    repeat: str


class LiveState:
    """The grid of a plan.

    Attributes:
        plan: of the study, or of the trials of its search.
        names: of the cells, in order; those that a search proposes are added.
        total: runs that are asked for.
        done: runs of these that have ended.
        before: of these, how many had when the view began.
        more: runs of cells that are still to be proposed.
        others: runs that other drivers have ended.
        failed: runs.
        diverged: runs.
        tally: cells by status.
        leader: the scores.
    """

    def __init__(self, plan: Plan, more: int = 0) -> None:
        """Nothing is asked for yet but the runs of cells still to be proposed."""
        self.plan, self.more, self.total = plan, more, more
        self.done = self.before = self.others = self.failed = self.diverged = 0
        self.names: list[str] = []
        self.columns = {seed: i for i, seed in enumerate(plan.seeds)}
        self.width = 0
        self.tally: Counter[Status] = Counter(dict.fromkeys(Status, 0))
        self.recent: deque[int] = deque(maxlen=RECENT)
        self.failures: dict[str, Failure] = {}
        self._marks = bytearray()
        self._rows: dict[str, int] = {}
        self._open: list[int] = []  # runs to go of each cell
        self._ended: list[Counter[Mark]] = []
        for cell in plan.cells:
            self._add(cell.cell_id, cell.name)
        self.baseline = self._rows[plan.baseline]
        self.leader = Leader(self.baseline, plan.metric.direction)

    # What happens.

    def stored(self, cell: str, seed: int, mark: Mark, score: float | None = None) -> None:
        """The store has a run; one in ``STORED`` is not counted among those that are asked for."""
        row, column = self._rows[cell], self.columns[seed]
        if mark in OPEN or mark is Mark.STORED:
            self._set(row, column, mark)
        else:
            self._set(row, column, Mark.WAITING)
            self._end(row, column, mark)
        if score is not None:
            self.leader.scored(row, column, score)

    def wants(self, runs: Iterable[RunSpec]) -> None:
        """These are asked for."""
        for run in runs:
            row, column = self._place(run)
            if self.mark(row, column) is not Mark.WAITING:
                self._set(row, column, Mark.WAITING)

    def begins(self, runs: Iterable[RunSpec]) -> None:
        """These are handed out, or tell that they run."""
        for run in runs:
            row, column = self._place(run)
            self._marks[row * len(self.columns) + column] = Mark.BEGUN
            self.recent.append(row)

    def waits(self, run: RunSpec) -> None:
        """It is to be tried again."""
        row, column = self._place(run)
        self._marks[row * len(self.columns) + column] = Mark.WAITING

    def ends(self, run: RunSpec, record: RunRecord, repeat: str = "") -> None:
        """It ended; ``repeat`` is the command that repeats it alone."""
        row, column = self._place(run)
        score = record.final.get(self.plan.metric.name)
        # As in the report: without the compared metric a run has no result.
        lost = record.outcome is Outcome.FINISHED and score is None
        self._end(row, column, Mark.DIVERGED if lost else ENDS[record.outcome])
        if score is not None:
            self.leader.scored(row, column, score)
        if record.outcome is Outcome.FAILED:
            self.fails(record.reason, run.name, repeat)

    def fails(self, error: str, name: str, repeat: str) -> None:
        """A run failed: the first with an error is named, the others are counted."""
        first = self.failures.get(error, Failure(error, 0, name, repeat))
        self.failures[error] = Failure(error, first.count + 1, first.name, first.repeat)

    def elsewhere(self, run: RunSpec, failed: bool) -> None:
        """Another driver has ended it."""
        self._end(*self._place(run), Mark.FAILED if failed else Mark.FINISHED)
        self.done -= 1
        self.total -= 1
        self.others += 1

    # What is to be seen.

    def mark(self, row: int, column: int) -> Mark:
        """State of a run."""
        return Mark(self._marks[row * len(self.columns) + column])

    def row(self, row: int) -> bytes:
        """Marks of a cell, up to the last seed that any cell needs."""
        first = row * len(self.columns)
        return bytes(self._marks[first : first + self.width])

    def count(self, mark: Mark) -> int:
        """Runs in a state."""
        return self._marks.count(mark) + (self.more if mark is Mark.WAITING else 0)

    def of_cell(self, row: int) -> tuple[int, int, float | None]:
        """Complete runs of a cell, those that it should have, and the mean of their scores."""
        ended = self._ended[row]
        complete = ended[Mark.FINISHED] + ended[Mark.DIVERGED] + ended[Mark.STORED]
        return complete, complete + ended[Mark.FAILED] + self._open[row], self.leader.mean(row)

    def status(self, row: int) -> Status:
        """State of a cell."""
        if self._ended[row][Mark.FAILED]:
            return Status.FAILED
        if self._open[row]:
            return Status.OPEN
        return Status.DONE if self._ended[row].total() else Status.BLANK

    def diverged_of(self, row: int) -> int:
        """Runs of a cell that diverged."""
        return self._ended[row][Mark.DIVERGED]

    def shown(self, room: int) -> Sequence[int]:
        """Cells for so many lines, in order: the baseline, those in work, the newest, then the first of the others."""
        if len(self.names) <= room:
            return range(len(self.names))
        chosen = {self.baseline: None}
        for rows in (self._in_work(), reversed(list(self.recent)), self._to_go(), range(len(self.names))):
            for row in rows:
                if len(chosen) >= room:
                    return sorted(chosen)
                chosen[row] = None
        return sorted(chosen)

    def counts(self) -> str:
        """Done and failed in words."""
        return f"{self.done} of {self.total} runs are done, {self.failed} failed"

    # How it is kept.

    def _add(self, cell: str, name: str) -> int:
        row = self._rows[cell] = len(self.names)
        self._marks.extend(bytes(len(self.columns)))
        self._open.append(0)
        self._ended.append(Counter())
        self.tally[Status.BLANK] += 1
        # Last: the thread that draws counts the names.
        self.names.append("".join(letter if letter.isprintable() else " " for letter in name))
        return row

    def _place(self, run: RunSpec) -> tuple[int, int]:
        """Where a run is; a cell that was proposed is new, and all its seeds are asked for."""
        row = self._rows.get(run.cell_id)
        if row is None:
            row = self._add(run.cell_id, run.name.removesuffix(f" s{run.seed}"))
            known = min(self.more, len(self.columns))
            self.more -= known
            self.total -= known
            for column in self.columns.values():
                self._set(row, column, Mark.WAITING)
        return row, self.columns[run.seed]

    def _set(self, row: int, column: int, mark: Mark) -> None:
        """A run gets a state that is no end, or had its end before."""
        before, was = self.status(row), self.mark(row, column)
        if mark is Mark.STORED:
            self._ended[row][mark] += 1
        elif was not in OPEN:
            self._open[row] += 1
            self.total += 1
            self._ended[row][was] -= was is not Mark.BLANK
        self._marks[row * len(self.columns) + column] = mark
        self.width = max(self.width, column + 1)
        self._recount(row, before)

    def _end(self, row: int, column: int, mark: Mark) -> None:
        before = self.status(row)
        self._open[row] -= 1
        self._ended[row][mark] += 1
        self._marks[row * len(self.columns) + column] = mark
        self.recent.append(row)
        self.done += 1
        self.failed += mark is Mark.FAILED
        self.diverged += mark is Mark.DIVERGED
        self._recount(row, before)

    def _recount(self, row: int, before: Status) -> None:
        self.tally[before] -= 1
        self.tally[self.status(row)] += 1

    def _in_work(self) -> Iterable[int]:
        """Cells with a run that has begun."""
        place = self._marks.find(Mark.BEGUN)
        while place >= 0:
            row = place // len(self.columns)
            yield row
            place = self._marks.find(Mark.BEGUN, (row + 1) * len(self.columns))

    def _to_go(self) -> Iterable[int]:
        return (row for row in range(len(self.names)) if self.status(row) is Status.OPEN)


def of_store(uri: str, plan: Plan, known: Ledger, kind: Kind, more: int = 0) -> LiveState:
    """A plan and the complete runs of it that a store has.

    Args:
        uri: absolute URI of the store.
        plan: of the study, or of the trials of its search.
        known: what the store has.
        kind: of the runs.
        more: runs of cells that are still to be proposed.

    Raises:
        StoreError: the store cannot be read.
    """
    state, complete = LiveState(plan, more), known.complete(kind)
    scores = ledger.metric(uri, plan.study, plan.metric.name) if complete else {}
    by_key = {run.tags[Tag.RUN_KEY]: scores.get(run.run_id) for run in complete}
    for key, (cell, seed) in plan.run_keys().items() if by_key else ():
        if key in by_key:
            state.stored(cell.cell_id, seed, Mark.STORED, by_key[key])
    return state
