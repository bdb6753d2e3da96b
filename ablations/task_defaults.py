"""What a user's task makes of the defaults of a matrix."""

import re
from typing import Any

from ablations import settings
from ablations.includes import Source
from ablations.matrix import TASK
from ablations.problems import MatrixError
from model.base import InputError


def task_defaults(source: Source) -> dict[str, Any]:
    """Keys of the matrix: the metrics are by default the first of the task, in its direction.

    Raises:
        MatrixError: there is no such task.
    """
    written = source.value
    task = written.get("task", "")
    if not (isinstance(task, str) and re.fullmatch(TASK, task)):
        return {}  # refused by the form of the matrix
    try:
        metrics = settings.kind(task).metrics()
    except InputError as error:
        raise MatrixError(f"{source.place('task')}: {error}") from error
    first, direction = next(iter(metrics.items()))
    given, search = written.get("metric", {}), written.get("search")
    metric = {"name": f"test/{first}"} | given if isinstance(given, dict) else given
    if isinstance(metric, dict) and "direction" not in metric:
        metric["direction"] = metrics.get(str(metric["name"]).removeprefix("test/"), direction)
    searched = {"search": {"metric": f"dev/{first}"} | search} if isinstance(search, dict) else {}
    return {"metric": metric, **searched}
