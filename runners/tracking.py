"""Writes a study to MLflow. The only file that does; only the driver uses it."""

import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.record import (
    CONFIG_FILE,
    DECISIONS_FILE,
    MATRIX_FILE,
    PLAN_FILE,
    SCHEMA,
    SEARCH_FILE,
    UNCOMMITTED_FILE,
    Kind,
    Outcome,
    Plan,
    RunRecord,
    SchemaError,
    Tag,
    digest,
    metric_name,
    sqlite_path,
)
from ablations.strayed import Strayed, without_plan
from runners import labels, ledger, provenance, saved_model
from runners.artifacts import files
from runners.attempt import FIRST, Attempt
from runners.claims import Alone, Shares
from runners.executors import Message, Progress
from runners.labels import Labels
from runners.ledger import Ledger
from runners.note import NOTE, note
from runners.planner import RunSpec
from runners.store import StoreError, artifact, artifact_location, connect, supersede
from runners.varying import varying

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run, RunTag

BATCH = 1000  # most metrics that MLflow takes in one call
PARAM_BATCH = 100
ERROR_TAG = 500
MAKER_SECONDS = 60.0  # for what another driver makes in two calls
KEPT = {Kind.CELL: (PLAN_FILE, Tag.PLAN), Kind.SEARCH: (SEARCH_FILE, Tag.SEARCH)}  # where the plan is, and its digest
STATUS = {Outcome.FINISHED: "FINISHED", Outcome.DIVERGED: "FINISHED", Outcome.FAILED: "FAILED"}


class Tracker:
    """One experiment a study; one run of kind ``study`` with the plan; the runs of the cells flat beside it.

    The trials of a search are kept in the same way, with a plan of their own and another kind. ``shares`` says which
    runs are still this driver's; on a store that several drivers may use it is set by whoever makes the tracker.
    """

    def __init__(self, uri: str, plan: Plan, text: str, kind: Kind = Kind.CELL, driver: str = "") -> None:
        """Open the store, make the experiment and the study run; each only if it does not exist.

        Args:
            uri: absolute URI of the store.
            plan: what the study should hold.
            text: the matrix file.
            kind: of the runs that are written.
            driver: who writes.

        Raises:
            StoreError: the store cannot be used.
        """
        self.client = connect(uri)
        self.uri, self.plan, self.text, self.kind, self.driver = uri, plan, text, kind, driver
        self.alone = sqlite_path(uri) is not None
        self.shares: Shares = Alone()
        self.open: dict[str, str] = {}
        self.git = provenance.git()
        self.versions = {f"version.{name}": version for name, version in provenance.versions().items()}
        self.experiment, made = self._experiment(artifact_location(uri, plan.study))
        self.study_run, self.claims_run = self._study_run(made)
        self.keep(plan)

    def _experiment(self, location: str | None) -> tuple[str, bool]:
        """Its id, and whether it was made: of several drivers at once, one makes it."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(self.plan.study)
        if not found:
            try:
                return str(self.client.create_experiment(self.plan.study, location)), True
            except MlflowException:
                found = self.client.get_experiment_by_name(self.plan.study)
                if not found:
                    raise
        if found.lifecycle_stage != "active":
            lost = Strayed(found.name, found.experiment_id, deleted=True)
            raise StoreError(f"{lost.sentence(self.plan.study)}; or rename the study")
        return str(found.experiment_id), False

    def keep(self, plan: Plan) -> None:
        """Keep a plan in place of the one before, and let the runs that exist be shown as it says."""
        self.plan = plan
        file, tag = KEPT[self.kind]
        tags = self.client.get_run(self.study_run).data.tags
        # Where the store has this very plan already, another driver may just be writing the file of it anew.
        former = self._former(file) if tags.get(tag, plan.digest()) != plan.digest() else None
        known = labels.decode(tags.get(Tag.PARAMS))
        paths = known | varying(plan, *([former] if former else []))
        self.labels = Labels(plan, self.kind, paths)
        self.labels.renew(self.client, ledger.read(self.uri, plan.study), former, paths - known)
        if self.kind is Kind.CELL:
            text = note(plan, self.text, paths, tags.get(NOTE, ""))
            self.client.set_experiment_tag(self.experiment, NOTE, text)
            self.client.set_tag(self.study_run, NOTE, text)
        self._artifacts(self.study_run, {file: plan.encode(), MATRIX_FILE: self.text})
        self.client.set_tag(self.study_run, str(Tag.PARAMS), labels.encode(paths))
        # Last: as long as this tag is of another plan, the plan is kept anew.
        self.client.set_tag(self.study_run, tag, plan.digest())

    def _former(self, file: str) -> Plan | None:
        """The plan before; None if it is gone, or of another schema."""
        if file not in {found.path for found in self.client.list_artifacts(self.study_run)}:
            return None
        try:
            return Plan.decode(artifact(self.client, self.study_run, file))
        except (SchemaError, ValueError, TypeError):
            return None

    def keep_decisions(self, text: str) -> None:
        """Keep how the contrasts were decided, as CSV, in place of what was kept before."""
        self._artifacts(self.study_run, {DECISIONS_FILE: text})
        self.client.set_tag(self.study_run, Tag.DECISIONS, digest(text))

    def _study_run(self, made: bool) -> tuple[str, str]:
        """Ids of the study run and of the run of claims.

        Whoever made the experiment makes them, in that order, so that there is one of each; the others wait.
        """
        deadline = time.monotonic() + MAKER_SECONDS
        while not (found := self._find_study_run()):
            if made or self.alone:
                claims = {} if self.alone else {Tag.CLAIMS: self._make(Kind.CLAIMS, f"claims {self.plan.study}", {})}
                return self._make(Kind.STUDY, f"study {self.plan.study}", claims), claims.get(Tag.CLAIMS, "")
            if deleted := ledger.deleted_plan(self.uri, self.plan.study):
                raise StoreError(f"study '{self.plan.study}': {without_plan(self.plan.study, deleted, again=False)}")
            if time.monotonic() > deadline:
                raise StoreError(
                    f"the experiment '{self.plan.study}' has no plan: it was made by something else, or by a driver "
                    f"that died at once; rename it in the UI, or rename the study"
                )
            time.sleep(0.2)
        # Of a study that is older than the claims, the study run keeps them.
        return found.info.run_id, found.data.tags.get(Tag.CLAIMS, found.info.run_id)

    def _find_study_run(self) -> "Run | None":
        found = self.client.search_runs([self.experiment], f"tags.`{Tag.KIND}` = '{Kind.STUDY}'", max_results=1)
        return found[0] if found else None

    def _make(self, kind: Kind, name: str, more: Mapping[Tag, str]) -> str:
        """A run that is no training."""
        tags = {Tag.KIND: kind, Tag.STUDY: self.plan.study, Tag.SCHEMA: str(SCHEMA), **more}
        run = self.client.create_run(self.experiment, tags=_plain(tags), run_name=name)
        self.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)

    def close_orphans(self, ledger: Ledger) -> int:
        """Mark as killed the runs that a dead driver left running; returns how many."""
        orphans = [run for run in ledger.runs if run.status == "RUNNING" and run.tags.get(Tag.KIND) != Kind.STUDY]
        for run in orphans:
            self.client.set_terminated(run.run_id, "KILLED")
        return len(orphans)

    def write(self, spec: RunSpec, message: Message, attempt: Attempt = FIRST) -> bool:
        """Keep a run's record, or the progress of a long run.

        Returns:
            Whether it counts: not if another driver, to which this one seemed dead, has taken the run over.
        """
        run_id = self.open.get(spec.run_key) or self._create(spec, message.started, attempt.number)
        first = message.first if isinstance(message, Progress) else 0
        metrics = _history(message.history, first, message.started)
        if isinstance(message, Progress):
            self._log(run_id, metrics, [], {})
            return True
        # At step 0 alone, the UI draws them as bars, not as curves of one point.
        metrics += _points(message.final, 0, message.started + message.duration)
        kept = dict(files(message))
        self._log(run_id, metrics, _run_tags(message, attempt, kept), {})
        uncommitted = {UNCOMMITTED_FILE: self.git.uncommitted} if self.git.uncommitted else {}
        model = saved_model.files(run_id, spec, message.model) if message.model else {}
        self._artifacts(run_id, {**kept, **uncommitted, **model})
        counts = self.shares.holds(spec.run_key)
        if counts:
            self._end(run_id, message, attempt)
        else:
            supersede(self.client, run_id)
        del self.open[spec.run_key]
        return counts

    def _end(self, run_id: str, record: RunRecord, attempt: Attempt) -> None:
        status = STATUS[record.outcome]
        for former in attempt.former if status == "FINISHED" else ():
            supersede(self.client, former)
        self.client.set_terminated(run_id, status, _milliseconds(record.started + record.duration))

    def close(self) -> None:
        """Mark as killed what was still running when the driver stopped."""
        for run_id in self.open.values():
            self.client.set_terminated(run_id, "KILLED")

    def _create(self, spec: RunSpec, started: float, number: int) -> str:
        # In this order the UI offers them; the first are for people.
        tags = {
            Tag.KIND: self.kind,
            **self.labels.tags(spec),
            Tag.STUDY: self.plan.study,
            Tag.CELL: spec.cell_id,
            Tag.SEED: str(spec.seed),
            Tag.RUN_KEY: spec.run_key,
            Tag.SCHEMA: str(SCHEMA),
            Tag.CODE: self.plan.code_digest,
            Tag.DATA: spec.data_digest,
            Tag.DRIVER: self.driver,
            Tag.ATTEMPT: str(number),
            "mlflow.source.name": "runners.ablate",
            "mlflow.source.type": "LOCAL",
            "mlflow.source.git.commit": self.git.commit,
            "git.dirty": str(bool(self.git.uncommitted)).lower(),
            **self.versions,
        } | ({Tag.POINT: spec.point} if spec.point else {})
        if spec.config.task:
            tags[Tag.CODE_FILES] = provenance.code_files(spec.config.task)
        run = self.client.create_run(self.experiment, _milliseconds(started), _plain(tags), spec.name)
        run_id = self.open[spec.run_key] = str(run.info.run_id)
        self._log(run_id, [], [], self.labels.params(spec))
        self._artifacts(run_id, {CONFIG_FILE: labels.written(spec.config)})
        self._log_data(run_id, spec)
        return run_id

    def _log(
        self, run_id: str, metrics: "Sequence[Metric]", tags: "Sequence[RunTag]", params: Mapping[str, str]
    ) -> None:
        from mlflow.entities import Param

        rest = [Param(key, value) for key, value in params.items()]
        while metrics or tags or rest:
            self.client.log_batch(run_id, metrics[:BATCH], rest[:PARAM_BATCH], tags)
            metrics, rest, tags = metrics[BATCH:], rest[PARAM_BATCH:], []

    def _log_data(self, run_id: str, spec: RunSpec) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        identity = spec.config.source.identity()
        source = json.dumps(identity)
        name = str(identity.get("path", identity["kind"]))
        dataset = Dataset(name=name, digest=spec.data_digest, source_type="code", source=source)
        self.client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])

    def _artifacts(self, run_id: str, files: Mapping[str, str | bytes]) -> None:
        try:
            with tempfile.TemporaryDirectory() as folder:
                for name, content in files.items():
                    path = Path(folder) / name
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(content if isinstance(content, bytes) else content.encode())
                self.client.log_artifacts(run_id, folder)
        except OSError as error:
            raise StoreError(f"the files of run {run_id} cannot be written: {error}") from error


def _run_tags(record: RunRecord, attempt: Attempt, files: Iterable[str]) -> "list[RunTag]":
    from mlflow.entities import RunTag

    tags = {Tag.OUTCOME: record.outcome, Tag.FILES: " ".join(files), **record.environment, **attempt.tags(record)}
    if record.error:
        tags[Tag.ERROR] = record.reason[:ERROR_TAG]
    return [RunTag(key, str(value)) for key, value in tags.items()]


def _history(history: Sequence[Mapping[str, float]], first: int, started: float) -> "list[Metric]":
    points = (_points(metrics, first + i, started) for i, metrics in enumerate(history))
    return [point for epoch in points for point in epoch]


def _points(metrics: Mapping[str, float], step: int, seconds: float) -> "list[Metric]":
    from mlflow.entities import Metric

    return [Metric(metric_name(name), value, _milliseconds(seconds), step) for name, value in metrics.items()]


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _plain(tags: Mapping[Any, str]) -> dict[str, str]:
    return {str(key): str(value) for key, value in tags.items()}
