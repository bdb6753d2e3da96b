"""Reads a study from the store into a tidy frame."""

import contextlib
import functools
import io
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from ablations.credentials import redact, told
from ablations.predictions import TypedPredictions
from ablations.record import (
    CONFUSION_FILE,
    HISTORY_FILE,
    PLAN_FILE,
    PREDICTIONS_CSV,
    PREDICTIONS_FILE,
    SCHEMA,
    SEARCH_FILE,
    SQLITE,
    Kind,
    Outcome,
    Plan,
    SchemaError,
    Tag,
    digest,
    sqlite_path,
)
from ablations.strayed import Strayed, without_plan
from ablations.uri import UriError, check_uri, to_read
from analysis.database import Database, StoredRun
from analysis.planned_runs import NOT_NEEDED, counted, planned_frame
from analysis.predictions_csv import from_csv

DIGEST = {PLAN_FILE: Tag.PLAN, SEARCH_FILE: Tag.SEARCH}  # the tag that names the plan that is meant
CLASS = "test/f1/"  # before the name of a class


class StudyError(ValueError):
    """A study that cannot be read; the message says what there is."""


@dataclass(frozen=True)
class StudyRuns:
    """A study as it was planned and as it is.

    Attributes:
        plan: what it should hold.
        frame: one row for each planned run, in the order of the plan, whether it is there or not: ``cell``,
            ``name``, ``seed``, one column of level labels for each factor (by short name), ``run_key``, ``run_id``
            (NA if missing), ``outcome`` (finished, diverged, failed, missing; not needed after its contrast was
            decided), one column for each final metric (NaN unless finished), ``seconds``, and the versions.
    """

    plan: Plan
    frame: pd.DataFrame

    @property
    def score(self) -> pd.Series:
        """The compared metric of each row; NaN where there is none."""
        name = self.plan.metric.name
        return self.frame[name] if name in self.frame else pd.Series(float("nan"), self.frame.index)

    @property
    def classified(self) -> bool:
        """Whether runs predicted classes: they have an F1 of each, and the files of their predictions."""
        return any(column.startswith(CLASS) for column in map(str, self.frame))

    def holes(self) -> pd.DataFrame:
        """The planned runs that did not finish, without those that were not needed."""
        return self.frame[~self.frame["outcome"].isin([Outcome.FINISHED, NOT_NEEDED])]


class Reader(Protocol):
    """Knows the runs of a store."""

    def studies(self) -> Mapping[str, str]:
        """Id of each experiment by name."""

    def strayed(self, study: str) -> Sequence[Strayed]:
        """Other experiments, renamed or deleted ones, that have runs of a study."""

    def deleted_plan(self, study: str) -> str:
        """Id of the study's own run that was deleted last; empty if there is none."""

    def runs(self, experiment: str) -> Sequence[StoredRun]:
        """All runs of an experiment that are not deleted."""

    def contents(self, run_id: str, name: str) -> Sequence[bytes]:
        """Content of a run's file: several where there are copies, none where it is not at hand."""


class Store:
    """An MLflow store that exists; nothing is created in it. The runs of a study are read once."""

    def __init__(self, uri: str) -> None:
        """Open.

        Raises:
            StudyError: there is no store, or it cannot be read.
        """
        try:
            check_uri(uri)
        except UriError as error:
            raise StudyError(str(error)) from error
        path = sqlite_path(uri)
        if path:
            _require_store(path)
        self.uri = f"{SQLITE}{path}" if path else uri
        self.reader = Database(path) if path else _server(uri)
        with refusals(self.uri):
            self.studies = self.reader.studies()
        self._read: dict[str, Sequence[StoredRun]] = {}

    def load(self, study: str) -> StudyRuns:
        """Plan and runs of a study.

        Raises:
            StudyError: there is no such study, or it has no plan that this version reads.
        """
        run = self._study_run(study)
        if Tag.PLAN not in run.tags and Tag.SEARCH in run.tags:
            raise StudyError(f"the search of the study '{study}' has no winner yet: run its matrix again")
        return self._planned(study, run, PLAN_FILE, Kind.CELL)

    def search(self, study: str) -> StudyRuns | None:
        """The trials of a study's search, as they were scored on dev; None if it has none.

        Raises:
            StudyError: there is no such study, or it has no plan that this version reads.
        """
        run = self._study_run(study)
        if Tag.SEARCH not in run.tags:
            return None
        trials = self._planned(study, run, SEARCH_FILE, Kind.SEARCH)
        kept = [column for column in trials.frame if not str(column).startswith("test/")]
        return StudyRuns(trials.plan, trials.frame[kept])

    def runs(self, study: str) -> Sequence[StoredRun]:
        """Every run of a study: also failed and killed ones, and those of other code, data or cells.

        Raises:
            StudyError: there is no such study, or it cannot be read.
        """
        if study not in self.studies:
            known = ", ".join(sorted(set(self.studies) - {"Default"})) or "none yet"
            with refusals(self.uri):
                lost = "".join(f"\n{one.sentence(study)}" for one in self.reader.strayed(study))
            raise StudyError(f"no study '{study}' in the store; the studies there are: {known}{lost}")
        if study not in self._read:
            with refusals(self.uri):
                self._read[study] = self.reader.runs(self.studies[study])
        return self._read[study]

    def history(self, run_ids: Sequence[str]) -> pd.DataFrame:
        """Metrics of each epoch of some runs: ``run_id``, ``epoch`` and a column for each metric."""
        parts = [pd.read_csv(io.StringIO(self._text(run_id, HISTORY_FILE))) for run_id in run_ids]
        if not parts:
            return pd.DataFrame()
        owner = np.repeat(list(run_ids), [len(part) for part in parts])
        # Not inserted: a frame of many terms has hundreds of columns, each of which that would copy.
        return pd.concat([pd.concat(parts, ignore_index=True), pd.Series(owner, name="run_id")], axis=1)

    def predictions(self, run_id: str, probability: bool = True) -> TypedPredictions:
        """What a finished run predicted for each test utterance; without ``probability`` it is read faster."""
        contents = self._contents(run_id, PREDICTIONS_FILE)
        if contents:
            try:
                return TypedPredictions.decode(contents[0], probability)
            except SchemaError as error:
                raise StudyError(f"the run {run_id}: {error}") from error
        texts = self._texts(run_id, PREDICTIONS_CSV)
        if texts:
            return from_csv(texts[0])
        raise StudyError(_gone(run_id, PREDICTIONS_FILE))

    def confusions(self, frame: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.DataFrame]:
        """Counts of the true (rows) and predicted classes on test, summed over the finished runs of each cell."""
        finished = frame[frame["outcome"] == Outcome.FINISHED]
        return {
            name: functools.reduce(
                pd.DataFrame.add, map(self._confusion, finished.loc[finished["name"] == name, "run_id"])
            )
            for name in names
        }

    def _confusion(self, run_id: str) -> pd.DataFrame:
        return pd.read_csv(io.StringIO(self._text(run_id, CONFUSION_FILE)), index_col=0)

    def _study_run(self, study: str) -> StoredRun:
        runs = [run for run in self.runs(study) if run.tags.get(Tag.KIND) == Kind.STUDY]
        if runs and (of := runs[0].tags.get(Tag.STUDY, study)) != study:
            lost = Strayed(study, self.studies[study], deleted=False)
            raise StudyError(lost.sentence(of))
        if not runs:
            with refusals(self.uri):
                run_id = self.reader.deleted_plan(study)
            again = sqlite_path(self.uri) is not None
            raise StudyError(f"the experiment '{study}' has no plan: {without_plan(study, run_id, again)}")
        return max(runs, key=lambda run: (run.started, run.run_id))

    def _planned(self, study: str, run: StoredRun, file: str, kind: Kind) -> StudyRuns:
        plan = self._plan(study, run, file)
        found = [run for run in self.runs(study) if run.tags.get(Tag.KIND) == kind and Tag.SUPERSEDED not in run.tags]
        return StudyRuns(plan, planned_frame(plan, counted(found)))

    def _plan(self, study: str, run: StoredRun, file: str) -> Plan:
        """The plan that the run's tag names: of a copied store, the one beside it may be of another time."""
        texts = self._texts(run.run_id, file)
        named = [text for text in texts if _digest(text) == run.tags[DIGEST[file]]]
        if not named:
            what = "is not the one that the store names; was another copy of the store run?" if texts else "is gone."
            raise StudyError(f"study '{study}': its {file} {what} Run its matrix again")
        try:
            return Plan.decode(named[0])
        except SchemaError as error:
            raise StudyError(f"study '{study}': {error}; this is schema {SCHEMA}") from error

    def _text(self, run_id: str, name: str) -> str:
        texts = self._texts(run_id, name)
        if not texts:
            raise StudyError(_gone(run_id, name))
        return texts[0]

    def _texts(self, run_id: str, name: str) -> Sequence[str]:
        with refusals(self.uri):
            return [content.decode() for content in self._contents(run_id, name)]

    def _contents(self, run_id: str, name: str) -> Sequence[bytes]:
        with refusals(self.uri):
            return self.reader.contents(run_id, name)


def _gone(run_id: str, name: str) -> str:
    return f"the run {run_id} has no {name} any more; was a part of the store's folder deleted?"


@contextlib.contextmanager
def refusals(uri: str) -> Iterator[None]:
    """What a store answers when it cannot be read, as one message."""
    try:
        yield
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise StudyError(f"the store {redact(uri)} cannot be read: {told(error)}") from error


def _digest(text: str) -> str | None:
    """Of a plan; None of what is none, such as a file that was torn."""
    try:
        return digest(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _server(uri: str) -> Reader:
    from analysis.server import Server

    return Server(uri)


def _require_store(path: Path) -> None:
    """SQLite would take any file."""
    with refusals(f"{SQLITE}{path}"):
        there = path.is_file()
    if not there:
        raise StudyError(f"no store at {path}; run a study first, or name another with --tracking-uri")
    try:
        with contextlib.closing(sqlite3.connect(to_read(path), uri=True)) as connection:
            connection.execute("SELECT count(*) FROM experiments")
    except sqlite3.Error as error:
        raise StudyError(f"{path} is no MLflow store: {error}") from error
