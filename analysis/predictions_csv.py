"""Predictions as runs were stored before the .npz: a CSV with a row for each test utterance."""

import io
import json

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ablations.predictions import TypedPredictions


def from_csv(text: str) -> TypedPredictions:
    """Read the columns ``dialogue``, ``label``, ``predicted`` and ``p(NAME)`` of each class or label.

    ``label`` and ``predicted`` are the name of a class, or a JSON list of the labels that apply.
    """
    # A class may be called "NA".
    table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    columns = [column for column in map(str, table) if column.startswith("p(")]
    names = tuple(column.removeprefix("p(").removesuffix(")") for column in columns)
    label, predicted = _coded(table["label"], names), _coded(table["predicted"], names)
    return TypedPredictions(
        names, table["dialogue"].to_numpy(np.int64), label, predicted, table[columns].to_numpy(np.float64)
    )


def _coded(column: pd.Series, names: tuple[str, ...]) -> NDArray[np.int64]:
    """(N,) class indices, or (N, C) of 0 and 1."""
    index = pd.Index(names).get_indexer(pd.Index(column))
    if (index >= 0).all():
        return np.asarray(index, np.int64)
    applying = [set(json.loads(text)) for text in column]
    return np.array([[name in labels for name in names] for labels in applying], np.int64)
