"""Shows a study that other processes run, from the store alone; nothing is written."""

import time
from collections.abc import Callable, Collection, Mapping, Set
from dataclasses import dataclass

from rich.console import Console

from ablations.record import Kind, Outcome, Plan, Tag
from ablations.study import Study
from runners import ledger, rounds, search
from runners.ledger import Ledger, StoredRun
from runners.live import LiveState, Mark
from runners.progress import ProgressView
from runners.store import StoreError

POLL_SECONDS = 2.0
MARKS = {"FINISHED": Mark.FINISHED, "RUNNING": Mark.BEGUN, "FAILED": Mark.FAILED}


@dataclass(frozen=True)
class Sight:
    """The store at one time.

    Attributes:
        state: of the study; of a search, of its trials as long as there is no winner.
        missing: keys of runs that are not complete.
        failed: those of them that failed and are not tried again by themselves.
        last: whether no more runs come after these.
        begun: whether the store has any run of the study.
    """

    state: LiveState
    missing: Set[str]
    failed: Set[str]
    last: bool
    begun: bool

    def over(self, before: Set[str]) -> bool:
        """Whether nothing is to come; ``before``: runs that had failed at the first look, and are waited for."""
        return self.last and not self.missing - (self.failed - before)


def watch(console: Console, uri: str, study: Study, plan: Plan, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show the study until all its runs are there, or until Ctrl-C.

    A run that had failed before is waited for: whoever runs the matrix again repeats it. One that fails meanwhile is
    at its end.

    Args:
        console: where it is shown.
        uri: absolute URI of the store.
        study: the resolved matrix.
        plan: what the study should hold; of a search, as long as the winner is not known.
        sleep: waits so many seconds from one look to the next.

    Raises:
        StoreError: the store cannot be read at the beginning.
    """
    sight = look(uri, study, plan)
    before = sight.failed
    sight.state.before = sight.state.done
    end = "no longer watching; who runs the study goes on"
    try:
        with ProgressView(console, sight.state) as view:
            if not sight.begun:
                view.say(f"{plan.study}: nothing of this study is in the store yet; waiting for it, until Ctrl-C")
            elif before:
                view.say(
                    f"{plan.study}: {len(before)} runs failed before; the same command without --watch repeats them"
                )
            while not sight.over(before):
                sleep(POLL_SECONDS)
                sight = _again(view, sight, lambda: look(uri, study, plan))
            view.tell()
            end = f"nothing is missing: {sight.state.counts()}"
    except KeyboardInterrupt:
        pass
    console.print(f"{plan.study}: {end}", markup=False, highlight=False, soft_wrap=True)


def _again(view: ProgressView, sight: Sight, look: Callable[[], Sight]) -> Sight:
    """Show what has become of it; what the store does not tell now it may tell the next time."""
    try:
        sight = look()
    except StoreError as error:
        view.waits(f"{error}; it is asked again")
    else:
        view.shows(sight.state)
    return sight


def look(uri: str, study: Study, plan: Plan) -> Sight:
    """What the store has of a study.

    Args:
        uri: absolute URI of the store.
        study: the resolved matrix.
        plan: what the study should hold; of a search, as long as the winner is not known.

    Raises:
        StoreError: the store cannot be read.
    """
    known = ledger.read(uri, plan.study)
    if study.search:
        trials = search.read(uri, study, plan)
        winner, missing = trials.winner(), {run.run_key for run in trials.missing}
        running = trials.wanted or missing - _failed(_latest(known, Kind.SEARCH))
        if running or winner is None:
            more = trials.wanted * len(trials.plan.seeds)
            return _sight(uri, LiveState(trials.plan, more), known, Kind.SEARCH, last=not running)
        study, plan = search.decided(study, plan, winner)
    # With more jobs a driver may run further ahead: what it has begun is in the store.
    wanted = {run.run_key for run in rounds.read(uri, study, plan, 1).runs} if plan.stopping else None
    return _sight(uri, LiveState(plan), known, Kind.CELL, wanted=wanted)


def _sight(
    uri: str, state: LiveState, known: Ledger, kind: Kind, last: bool = True, wanted: Collection[str] | None = None
) -> Sight:
    """Fill a state; ``wanted`` are the keys of runs that are still needed, None for all that are missing."""
    plan, latest = state.plan, _latest(known, kind)
    keys = plan.run_keys()
    scores = ledger.metric(uri, plan.study, plan.metric.name) if latest else {}
    missing = {key for key in keys if key not in latest or latest[key].status != "FINISHED"}
    missing = {key for key in missing if wanted is None or key in wanted}
    for key in missing:
        state.stored(keys[key][0].cell_id, keys[key][1], Mark.WAITING)
    for key, run in latest.items():
        if key in keys:
            _fill(state, run, scores.get(run.run_id), keys[key][0].name)
    return Sight(state, missing, _failed(latest) & keys.keys(), last, bool(known.of(kind)))


def _fill(state: LiveState, run: StoredRun, score: float | None, name: str) -> None:
    seed, mark = int(run.tags[Tag.SEED]), MARKS[run.status]
    diverged = run.tags.get(Tag.OUTCOME) == Outcome.DIVERGED
    complete = mark is Mark.FINISHED
    mark = Mark.DIVERGED if complete and diverged else mark
    state.stored(run.tags[Tag.CELL], seed, mark, score if complete else None)
    if mark is Mark.FAILED:
        state.fails(run.tags.get(Tag.ERROR, "unknown"), f"{name} s{seed}", run.tags.get(Tag.REPEAT, ""))


def _latest(known: Ledger, kind: Kind) -> Mapping[str, StoredRun]:
    """By key the run that counts, in the order in which they began: a complete one, else the last.

    Those that were killed, that another driver has taken over, or that are tried again count as not there.
    """
    found: dict[str, StoredRun] = {}
    for run in known.of(kind):
        key = run.tags.get(Tag.RUN_KEY, "")
        if Tag.SUPERSEDED in run.tags or (key in found and found[key].status == "FINISHED"):
            continue
        found.pop(key, None)
        if run.status in MARKS and Tag.RETRIED not in run.tags:
            found[key] = run
    return found


def _failed(latest: Mapping[str, StoredRun]) -> Set[str]:
    return {key for key, run in latest.items() if run.status == "FAILED"}
