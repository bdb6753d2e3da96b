"""An MLflow client whose writes survive those of other drivers.

MLflow's stores first look for a row and then insert it (a tag, a data set, a param). Where two drivers do so at the
same time, the database refuses one of them, and MLflow passes the refusal on: an ``IntegrityError`` as
``BAD_REQUEST``; a deadlock, a serialization failure or a locked SQLite file as ``TEMPORARILY_UNAVAILABLE``. Both come
after the transaction was rolled back, directly and through a server. The second attempt finds the other's row.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from ablations.record import Tag

P = ParamSpec("P")
T = TypeVar("T")

# BAD_REQUEST also stands for faults that stay, such as a missing table: these are reported after the last attempt.
CONFLICTS = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE")
ATTEMPTS = 7
PAUSE = 0.05  # seconds before the second attempt; doubled before each further one, 3 seconds in all
IDENTITY = (Tag.KIND, Tag.RUN_KEY, Tag.DRIVER, Tag.ATTEMPT)  # no two runs of one study have all of these in common


def repeated(write: Callable[P, T]) -> Callable[P, T]:
    """Repeat a write while it conflicts with another driver's.

    The write must be idempotent: done twice, it leaves what it leaves done once. A param that has another value
    already is no conflict but ``INVALID_PARAMETER_VALUE``, which the claims depend on, and is raised at once.

    Raises:
        MlflowException: the last attempt failed, or an attempt failed for another reason.
    """

    @wraps(write)
    def attempts(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(ATTEMPTS - 1):
            try:
                return write(*args, **kwargs)
            except MlflowException as error:
                if error.error_code not in CONFLICTS:
                    raise
            # Drivers that conflicted must not all come again at the same moment: each waits for its own time. The id of
            # the main thread is that of its process.
            time.sleep(PAUSE * 2**attempt * (0.5 + threading.get_native_id() % 17 / 16))
        return write(*args, **kwargs)

    return attempts


class SharedClient(MlflowClient):
    """A client of a store that several drivers write; all writes of this project but those of artifacts."""

    set_tag = repeated(MlflowClient.set_tag)
    set_experiment_tag = repeated(MlflowClient.set_experiment_tag)
    set_terminated = repeated(MlflowClient.set_terminated)
    update_run = repeated(MlflowClient.update_run)
    log_param = repeated(MlflowClient.log_param)
    log_batch = repeated(MlflowClient.log_batch)
    log_inputs = repeated(MlflowClient.log_inputs)
    create_experiment = repeated(MlflowClient.create_experiment)

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, str] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Create a run, once.

        A refused attempt leaves no run, unless the connection broke after the database had committed. So a further
        attempt first looks for the run that an earlier one may have left.
        """
        attempted = False

        def create() -> Run:
            nonlocal attempted
            left = self._unfinished(experiment_id, tags or {}) if attempted else None
            attempted = True
            return left or MlflowClient.create_run(self, experiment_id, start_time, tags, run_name)

        return repeated(create)()

    def _unfinished(self, experiment_id: str, tags: Mapping[str, str]) -> Run | None:
        identity = [f"tags.`{tag}` = '{tags[tag]}'" for tag in IDENTITY if tag in tags]
        found = self.search_runs(
            [experiment_id], " and ".join(["attributes.status = 'RUNNING'", *identity]), max_results=1
        )
        return found[0] if found else None
