"""Writes that are repeated when another driver's write got in between."""

import os
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

# Each either changes everything or nothing, and twice the same gives what once gives: MLflow looks whether a
# row is there and then inserts it in one transaction, which is rolled back if another inserted it meanwhile.
# A new run has an id of its own, so that one whose transaction was rolled back has left nothing.
WRITES = (
    "create_run", "log_batch", "log_inputs", "log_param", "set_experiment_tag", "set_tag", "set_terminated",
    "update_run",
)  # fmt: skip
ATTEMPTS = 10
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds
LOCKED = "TEMPORARILY_UNAVAILABLE"  # a lock that was not given in time, or a deadlock that the database ended
# As SQLAlchemy names what a unique key refuses, whichever database and driver; a server passes on the text alone.
DUPLICATE = "IntegrityError", "UniqueViolation"


def repeat_conflicts(client: "MlflowClient") -> "MlflowClient":
    """Make the client repeat its writes on a conflict, ten times at most.

    A param that has another value already is no conflict but an answer, and is raised at once: the claims of
    drivers depend on it.
    """
    for name in WRITES:
        setattr(client, name, _repeating(getattr(client, name)))
    return client


def is_conflict(error: "MlflowException") -> bool:
    """Whether a write failed because of another one at the same time, and has left nothing."""
    return bool(error.error_code == LOCKED) or any(word in str(error) for word in DUPLICATE)


def _repeating(write: Callable[..., Any]) -> Callable[..., Any]:
    from mlflow.exceptions import MlflowException

    @wraps(write)
    def repeated(*args: Any, **kwargs: Any) -> Any:
        for attempt in range(ATTEMPTS - 1):
            try:
                return write(*args, **kwargs)
            except MlflowException as error:
                if not is_conflict(error):
                    raise
                time.sleep(_pause(attempt))
        return write(*args, **kwargs)

    return repeated


def _pause(attempt: int) -> float:
    """Seconds; drivers on one machine have different ids, so that they do not meet again and again."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * (1 + os.getpid() % 16 / 16))
