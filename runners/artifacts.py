"""The files of a run: its history, what it predicted, what went wrong."""

import csv
import io
from collections.abc import Iterable, Sequence

from ablations.record import (
    CONFUSION_FILE,
    COUNTS,
    ERROR_FILE,
    HISTORY_FILE,
    PREDICTIONS_FILE,
    RunRecord,
)
from ablations.results import Predictions


def files(record: RunRecord) -> Iterable[tuple[str, str | bytes]]:
    """Name and content of each."""
    if record.history:
        columns = list(record.history[0])
        rows = ([i, *(epoch[column] for column in columns)] for i, epoch in enumerate(record.history))
        yield HISTORY_FILE, _csv(["epoch", *columns], rows)
    if record.predictions:
        yield PREDICTIONS_FILE, record.predictions.content
        yield CONFUSION_FILE, _confusion(record.predictions)
    if record.error:
        yield ERROR_FILE, record.error


def _confusion(p: Predictions) -> str:
    columns = ["label", *COUNTS] if p.multi_label else ["true \\ predicted", *p.label_names]
    return _csv(columns, ([name, *row] for name, row in zip(p.label_names, p.confusion, strict=True)))


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
