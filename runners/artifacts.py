"""The files of a run: its history, what it predicted, what went wrong."""

import csv
import io
import json
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


def files(record: RunRecord) -> Iterable[tuple[str, str]]:
    """Name and text of each."""
    if record.history:
        columns = list(record.history[0])
        rows = ([i, *(epoch[column] for column in columns)] for i, epoch in enumerate(record.history))
        yield HISTORY_FILE, _csv(["epoch", *columns], rows)
    if record.predictions:
        yield PREDICTIONS_FILE, _predictions(record.predictions)
        yield CONFUSION_FILE, _confusion(record.predictions)
    if record.error:
        yield ERROR_FILE, record.error


def _predictions(p: Predictions) -> str:
    columns = ["dialogue", "position", "label", "predicted", *(f"p({name})" for name in p.label_names)]
    named = ([_named(p, label) for label in labels] for labels in (p.label, p.predicted))
    rows = (
        [*place, *(f"{x:.6f}" for x in probability)]
        for *place, probability in zip(p.dialogue, p.position, *named, p.probability, strict=True)
    )
    return _csv(columns, rows)


def _named(p: Predictions, label: int | tuple[int, ...]) -> str:
    """The class, or the labels as a JSON list."""
    if isinstance(label, int):
        return p.label_names[label]
    return json.dumps([name for name, applies in zip(p.label_names, label, strict=True) if applies])


def _confusion(p: Predictions) -> str:
    columns = ["label", *COUNTS] if p.multi_label else ["true \\ predicted", *p.label_names]
    return _csv(columns, ([name, *row] for name, row in zip(p.label_names, p.confusion, strict=True)))


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
