"""The schema that the side which runs and the side which concludes share. Standard library only.

``Plan`` says what a study should hold; it lies as ``plan.json`` on the study's own MLflow run, and that of the trials
of a search beside it as ``search.json``. ``RunRecord`` is what one run yields. Names of tags, params, metrics and
artifacts in the store are here and nowhere else.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from ablations.results import KeptModel, Predictions

SCHEMA = 1
STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

DEFAULT_URI = "sqlite:///mlruns/mlflow.db"
SQLITE = "sqlite:///"

PLAN_FILE, SEARCH_FILE, MATRIX_FILE = "plan.json", "search.json", "matrix.yaml"
PREDICTIONS_FILE, CONFUSION_FILE, HISTORY_FILE = "predictions.npz", "confusion_matrix.csv", "history.csv"
PREDICTIONS_CSV = "predictions.csv"  # of runs written before the .npz
ERROR_FILE, UNCOMMITTED_FILE = "error.txt", "uncommitted.diff"
CONFIG_FILE, REPORT_FOLDER = "config.yaml", "report"
DECISIONS_FILE = "decisions.csv"
SEED_PARAM = "seed"

# Columns of the confusion of several labels.
COUNTS = ("true negatives", "false positives", "false negatives", "true positives")


class Tag(StrEnum):
    """Tags of the runs in MLflow.

    ``NAME`` is that of the cell, for people; ``BASELINE`` says yes or no, and so does ``PLANNED``: whether the study
    counts the run, as its plan is now.
    """

    KIND = "ablation.kind"
    STUDY = "ablation.study"
    CELL = "ablation.cell"
    SEED = "ablation.seed"
    RUN_KEY = "ablation.run_key"
    SCHEMA = "ablation.schema"
    OUTCOME = "ablation.outcome"
    ERROR = "ablation.error"
    DIVERGED = "ablation.diverged"
    CODE = "ablation.code_digest"
    CODE_FILES = "ablation.code_files"
    DATA = "ablation.data_digest"
    PLAN = "ablation.plan_digest"
    SEARCH = "ablation.search_digest"
    POINT = "ablation.point"
    DECISIONS = "ablation.decisions_digest"
    CLAIMS = "ablation.claims"
    DRIVER = "ablation.driver"
    ATTEMPT = "ablation.attempt"
    RETRIED = "ablation.retried"
    REPEAT = "ablation.repeat"
    SUPERSEDED = "ablation.superseded"
    FILES = "ablation.files"
    NAME = "ablation.name"
    BASELINE = "ablation.baseline"
    PLANNED = "ablation.planned"
    PARAMS = "ablation.params"


class Kind(StrEnum):
    """Kinds of runs in a study's experiment. Those of a search choose a cell, and no result counts them.

    That of the claims says which driver runs what, where there may be several.
    """

    STUDY = "study"
    CELL = "cell"
    SEARCH = "search"
    CLAIMS = "claims"


class Outcome(StrEnum):
    """How a run ended. A diverged run is complete: training it again gives the same."""

    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"


class SchemaError(ValueError):
    """A stored plan or record that this version cannot use."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What is compared.

    Attributes:
        name: in the store.
        direction: which end is better.
        sesoi: smallest effect size of interest.
        floor: the worst score that a run may have.
    """

    name: str
    direction: Literal["max", "min"]
    sesoi: float | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """One complete configuration.

    Attributes:
        cell_id: readable part and hash of ``config``.
        name: what differs within the study, for people.
        levels: label of the level of each factor; empty where the design has no factors.
        config: the configuration as it enters the identity.
        data_digest: hash of the data that it trains on.
    """

    cell_id: str
    name: str
    levels: Mapping[str, str]
    config: Mapping[str, Any]
    data_digest: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """Seeds are added to a contrast until it is decided (``ablations.sequential``).

    Attributes:
        least: seeds before the first look.
        alpha: probability of any false claim about any contrast at any number of seeds.
        tau: standard deviation of the effects that are looked for, in standard deviations of the paired difference.
    """

    least: int
    alpha: float = 0.05
    tau: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study should hold: every cell with every seed, made by one version of the code.

    ``baseline`` is a ``cell_id``; ``factors`` maps each factor's path to its short name. With ``stopping`` the seeds
    are those that a cell may get: it has the first of them, as many as its contrast needs.
    """

    study: str
    metric: Metric
    baseline: str
    factors: Mapping[str, str]
    cells: tuple[PlannedCell, ...]
    seeds: tuple[int, ...]
    code_digest: str
    schema: int = SCHEMA
    stopping: Stopping | None = None

    def __post_init__(self) -> None:
        """Check the rules that every reader relies on."""
        ids = [cell.cell_id for cell in self.cells]
        if self.schema != SCHEMA:
            raise SchemaError(f"the plan has schema {self.schema}, this version reads {SCHEMA}")
        if len(set(ids)) != len(ids) or len(set(self.seeds)) != len(self.seeds):
            raise SchemaError("the plan has a cell or a seed twice")
        if not self.seeds or self.baseline not in ids:
            raise SchemaError("the plan has no seeds, or its baseline is not one of its cells")
        if self.stopping and not 2 <= self.stopping.least <= len(self.seeds):
            raise SchemaError(f"the plan looks first at {self.stopping.least} of {len(self.seeds)} seeds")

    def run_key(self, cell: PlannedCell, seed: int) -> str:
        """Identity of one run: equal keys mean equal results."""
        return digest([cell.cell_id, seed, cell.data_digest, self.code_digest, self.schema])

    def run_keys(self) -> dict[str, tuple[PlannedCell, int]]:
        """Cell and seed of each run, seed by seed."""
        return {self.run_key(cell, seed): (cell, seed) for seed in self.seeds for cell in self.cells}

    def digest(self) -> str:
        """Hash of the whole plan."""
        return digest(self._fields())

    def encode(self) -> str:
        """As JSON."""
        return json.dumps(self._fields(), indent=1)

    def _fields(self) -> dict[str, Any]:
        """All but a rule or a floor that there is not, so that the digest of a study without stays what it was."""
        metric = asdict(self.metric)
        if self.metric.floor is None:
            del metric["floor"]
        own = _fields_of(self) | {"metric": metric, "cells": [_fields_of(cell) for cell in self.cells]}
        rule = own.pop("stopping")
        return own | ({"stopping": asdict(rule)} if rule else {})

    @classmethod
    def decode(cls, text: str) -> "Plan":
        """From JSON.

        Raises:
            SchemaError: it is of another schema or breaks a rule.
        """
        stored = json.loads(text)
        if stored.get("schema") != SCHEMA:
            raise SchemaError(f"the plan has schema {stored.get('schema')}, this version reads {SCHEMA}")
        metric, cells = Metric(**stored.pop("metric")), stored.pop("cells")
        seeds, stopping = tuple(stored.pop("seeds")), stored.pop("stopping", None)
        return cls(
            metric=metric,
            cells=tuple(PlannedCell(**cell) for cell in cells),
            seeds=seeds,
            stopping=Stopping(**stopping) if stopping else None,
            **stored,
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one run yields, whole, as it travels from the worker to the driver.

    Attributes:
        run_key: identity.
        outcome: how it ended.
        history: for each epoch, the metrics by name.
        final: metrics at the chosen epoch; empty unless finished.
        predictions: on test, at the chosen epoch; None unless finished, or where there are no classes.
        error: traceback of a failed run.
        started: seconds since 1970.
        duration: seconds.
        environment: device, host, peak memory and the like, for tags.
        model: the network of a finished run, if it is to be kept.
    """

    run_key: str
    outcome: Outcome
    history: tuple[Mapping[str, float], ...]
    final: Mapping[str, float]
    predictions: Predictions | None
    error: str | None
    started: float
    duration: float
    environment: Mapping[str, str]
    model: KeptModel | None = None

    def __post_init__(self) -> None:
        """Check that the parts agree with the outcome."""
        finished = self.outcome is Outcome.FINISHED
        if finished != bool(self.final) or (self.predictions is not None and not finished):
            raise SchemaError(f"a {self.outcome} run has final metrics if and only if it finished, else no predictions")
        if (self.outcome is Outcome.FAILED) != (self.error is not None):
            raise SchemaError(f"a {self.outcome} run has an error if and only if it failed")
        if finished and not all(map(math.isfinite, self.final.values())):
            raise SchemaError("a finished run has a final metric that is not finite")

    @property
    def reason(self) -> str:
        """The line of the error that names it, the last that is not indented; empty unless failed."""
        lines = [line for line in (self.error or "").splitlines() if line.strip() and not line[0].isspace()]
        return lines[-1] if lines else (self.error or "").strip()


def _fields_of(one: Any) -> dict[str, Any]:
    """Of a dataclass, by name, without copying what is in them as ``asdict`` does."""
    return {field.name: getattr(one, field.name) for field in fields(one)}


def metric_name(name: str) -> str:
    """A name that MLflow takes: a class may be called anything."""
    return re.sub(r"[^\w\-./: ]", "_", name)


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """First 12 hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def sqlite_path(uri: str) -> Path | None:
    """Absolute path of the database file of an SQLite URI; None for a server."""
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None
