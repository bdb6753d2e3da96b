"""Asks a server, or another database than SQLite, for runs. The only file here that knows MLflow."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.credentials import redact, told
from ablations.strayed import Strayed, deleted_plan_on_server, of_server
from analysis.database import StoredRun
from analysis.runs import StudyError

if TYPE_CHECKING:
    from mlflow.entities import Run

PAGE = 1000


class Server:
    """Anything that MLflow has a client for."""

    def __init__(self, uri: str) -> None:
        """Connect.

        Raises:
            StudyError: it cannot be reached; as in all methods.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
        self.uri = uri
        with self._refusals():
            from mlflow import MlflowClient

            self.client: MlflowClient = MlflowClient(uri)

    def studies(self) -> Mapping[str, str]:
        """Id of each experiment by name."""
        with self._refusals():
            return {e.name: e.experiment_id for e in self.client.search_experiments()}

    def strayed(self, study: str) -> list[Strayed]:
        """Other experiments, renamed or deleted ones, that have runs of a study."""
        with self._refusals():
            from mlflow.entities import ViewType

            return of_server(self.client, ViewType.ALL, study)

    def deleted_plan(self, study: str) -> str:
        """Id of the study's own run that was deleted last; empty if there is none."""
        with self._refusals():
            from mlflow.entities import ViewType

            experiment = self.client.get_experiment_by_name(study)
            return deleted_plan_on_server(self.client, ViewType.DELETED_ONLY, experiment.experiment_id)

    def runs(self, experiment: str) -> Sequence[StoredRun]:
        """All runs of an experiment that are not deleted."""
        found: list[Run] = []
        token: str | None = ""
        with self._refusals():
            while token is not None:
                page = self.client.search_runs([experiment], max_results=PAGE, page_token=token or None)
                found += page
                token = page.token or None
        return [_stored(run) for run in found]

    def contents(self, run_id: str, name: str) -> Sequence[bytes]:
        """Content of a run's file; none if the run does not have it."""
        with self._refusals(), tempfile.TemporaryDirectory() as folder:
            if name not in {file.path for file in self.client.list_artifacts(run_id)}:
                return []
            return [Path(self.client.download_artifacts(run_id, name, folder)).read_bytes()]

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
            raise StudyError(f"the store {redact(self.uri)} cannot be read: {told(error)}") from error


def _stored(run: "Run") -> StoredRun:
    info, data = run.info, run.data
    final = {key: value for key, value in data.metrics.items() if key.startswith(("test/", "best/"))}
    return StoredRun(info.run_id, info.status, info.start_time, info.end_time, data.tags, final)
