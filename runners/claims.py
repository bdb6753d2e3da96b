"""Who runs what, where several drivers work on one study at once.

A claim is a param of the run of claims, ``<run key>.<generation>``, and its value is the driver: MLflow sets a param
once and never changes it, so that of any number of drivers one gets it. A driver shows that it is alive by a tag that
it changes; one whose tag has stayed the same for a while is dead, and its claims can be taken over by those of the
next generation. Whoever takes over marks the runs that were left as superseded, and no reader counts these: a driver
that was only suspended cannot finish a run that another has.
"""

import contextlib
import os
import platform
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ablations.record import Tag
from runners import store
from runners.ledger import Ledger

if TYPE_CHECKING:
    from mlflow.entities import Run

SIGN = "ablation.alive."  # and the driver: the tag by which it shows that it is alive
ENDED = "ended"
LEAD = "search"  # the claim of proposing points, where one driver does it at a time
BATCH = 100  # most params that MLflow takes in one call


@dataclass(frozen=True)
class Patience:
    """Times of drivers that share a study, in seconds.

    Attributes:
        beat: from one sign of life to the next.
        dead: without one, until a driver counts as dead, by the clock of who looks.
        poll: from one look at what other drivers do to the next.
    """

    beat: float = 10.0
    dead: float = 60.0
    poll: float = 2.0


@dataclass(frozen=True)
class Taken:
    """Keys of runs that are to be run now, and of those that another driver had ended: whether they failed."""

    runs: Collection[str]
    ended: Mapping[str, bool] = field(default_factory=dict)


class Shares(Protocol):
    """How a driver shares a study with others."""

    def take(self, keys: Collection[str]) -> Taken:
        """Claim what no living driver has."""

    def holds(self, key: str) -> bool:
        """Whether a run that this driver began is still its own."""

    def ended(self, keys: Collection[str]) -> Mapping[str, bool]:
        """Of runs that other drivers have, those that ended, and whether they failed; not all need be found at once."""


class Alone:
    """The only driver of a study, by a lock: everything is its own."""

    def take(self, keys: Collection[str]) -> Taken:
        """All of them."""
        return Taken(keys)

    def holds(self, key: str) -> bool:  # noqa: ARG002
        """It is."""
        return True

    def ended(self, keys: Collection[str]) -> Mapping[str, bool]:  # noqa: ARG002
        """There are no other drivers."""
        return {}


@dataclass(frozen=True)
class _Board:
    """The claims at one time: generation and owner of each key, and the last sign of life of each owner."""

    claims: Mapping[str, tuple[int, str]]
    signs: Mapping[str, str]


class Claims:
    """The claims of one driver on a study, and what it knows of the others."""

    def __init__(self, uri: str, run_id: str, driver: str, patience: Patience, known: Ledger) -> None:
        """Look at the run that keeps the claims.

        Args:
            uri: absolute URI of the store.
            run_id: of the run of claims.
            driver: id of this driver.
            patience: with the others.
            known: what the store held when this driver began: what had ended then is not what others do now.

        Raises:
            StoreError: the store cannot be used; as in all methods.
        """
        self.uri, self.run_id, self.driver, self.patience = uri, run_id, driver, patience
        self.former = {run.run_id for run in known.runs if run.status != "RUNNING"}
        self.client = store.connect(uri)
        self.experiment = self.client.get_run(run_id).info.experiment_id
        self.own: dict[str, int] = {}
        self.seen: dict[str, tuple[str, float]] = {}

    def take(self, keys: Collection[str]) -> Taken:
        """Claim what no living driver has."""
        won: dict[str, int] = {}
        with store.refusals(self.uri):
            board = self._read()
            # All drivers write in one order: transactions that lock the same rows in opposite orders are deadlocked.
            order = sorted(keys)
            while free := {key: board.claims.get(key, (0, ""))[0] + 1 for key in order if self._free(board, key)}:
                got = self._claim(free)
                won |= got
                if len(got) == len(free):
                    break
                board = self._read()
            held = {key for key in keys if board.claims.get(key) == (self.own.get(key), self.driver)} | won.keys()
            self.own |= won
            # What nobody claimed before, nobody has begun.
            before = {key: self._inherit(key) for key, generation in won.items() if generation > 1}
        ended = {key: failed for key, failed in before.items() if failed is not None}
        return Taken(held - ended.keys(), ended)

    def holds(self, key: str) -> bool:
        """Whether a run that this driver began is still its own."""
        key = key if key in self.own else LEAD
        # Of a search with a filter the answer is empty; of the run itself, it would be all claims.
        taken = f"attributes.run_id = '{self.run_id}' and params.`{key}.{self.own[key] + 1}` LIKE '%'"
        with store.refusals(self.uri):
            return not self.client.search_runs([self.experiment], taken)

    def ended(self, keys: Collection[str]) -> Mapping[str, bool]:
        """Of runs that other drivers have, those at the beginning that ended, and whether they failed."""
        found: dict[str, bool] = {}
        with store.refusals(self.uri):
            board = self._read()
            for key in keys:
                failed = self._outcome(key, board.claims[key][1]) if key in board.claims else None
                if failed is None:
                    break
                found[key] = failed
        return found

    @contextlib.contextmanager
    def alive(self) -> Iterator[None]:
        """Show signs of life; at the end, that what is not finished may be taken over at once."""
        with store.refusals(self.uri):
            self._sign(str(time.time()))
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with contextlib.suppress(store.StoreError), store.refusals(self.uri):
                self._sign(ENDED)

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(self.patience.beat):
            # What the store refuses now it may take the next time; if not, the driver finds out by itself.
            with contextlib.suppress(store.StoreError), store.refusals(self.uri):
                self._sign(str(time.time()))

    def _sign(self, text: str) -> None:
        self.client.set_tag(self.run_id, SIGN + self.driver, text)

    def _read(self) -> _Board:
        data = self.client.get_run(self.run_id).data
        claims: dict[str, tuple[int, str]] = {}
        for param, owner in data.params.items():
            key, _, generation = param.rpartition(".")
            if generation.isdecimal():
                claims[key] = max(claims.get(key, (0, "")), (int(generation), owner))
        return _Board(claims, {tag.removeprefix(SIGN): text for tag, text in data.tags.items() if tag.startswith(SIGN)})

    def _free(self, board: _Board, key: str) -> bool:
        owner = board.claims.get(key, (0, ""))[1]
        return not owner or (owner != self.driver and self._dead(owner, board.signs.get(owner, "")))

    def _dead(self, owner: str, sign: str) -> bool:
        now = time.monotonic()
        if owner not in self.seen or self.seen[owner][0] != sign:
            self.seen[owner] = (sign, now)
        return sign == ENDED or now - self.seen[owner][1] > self.patience.dead

    def _claim(self, claims: Mapping[str, int]) -> Mapping[str, int]:
        """Claim these together; returns those that this driver has then, not all if another was faster."""
        from mlflow.entities import Param
        from mlflow.exceptions import MlflowException

        params = [Param(f"{key}.{generation}", self.driver) for key, generation in claims.items()]
        try:
            for first in range(0, len(params), BATCH):
                self.client.log_batch(self.run_id, params=params[first : first + BATCH])
        except MlflowException:
            taken = self._read().claims
            if all(taken.get(key, (0, ""))[0] < generation for key, generation in claims.items()):
                raise
            return {key: number for key, number in claims.items() if taken.get(key) == (number, self.driver)}
        return claims

    def _inherit(self, key: str) -> bool | None:
        """Whether the run of the former owner failed; None if it had not ended: then it does not count any more."""
        ended = None
        for run in self._runs(key):
            if run.info.status == "FINISHED":
                return False
            if run.info.status == "RUNNING" and run.data.tags.get(Tag.DRIVER) != self.driver:
                store.supersede(self.client, run.info.run_id)
            ended = _failed(run) or ended
        return ended

    def _outcome(self, key: str, owner: str) -> bool | None:
        """Whether the run of another driver failed; None if it is not over."""
        runs = self._runs(key)
        if any(run.info.status == "FINISHED" for run in runs):
            return False
        return any(_failed(run) and run.data.tags.get(Tag.DRIVER) == owner for run in runs) or None

    def _runs(self, key: str) -> "list[Run]":
        """Those of a run key that count and that were not over when this driver began."""
        found = self.client.search_runs([self.experiment], f"tags.`{Tag.RUN_KEY}` = '{key}'")
        return [run for run in found if run.info.run_id not in self.former and Tag.SUPERSEDED not in run.data.tags]


def _failed(run: "Run") -> bool:
    """Whether it failed for good."""
    return run.info.status == "FAILED" and Tag.RETRIED not in run.data.tags


def new_driver() -> str:
    """A name that no other driver has."""
    return f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
