"""A study as a frame, for notebooks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ablations.record import DEFAULT_URI, Outcome
from analysis.mixing import mixtures, refuse
from analysis.runs import Store, StudyRuns


def study(name: str, tracking_uri: str = DEFAULT_URI) -> StudyRuns:
    """A study as it was planned (``plan``) and as it is (``frame``).

    Raises:
        StudyError: there is no such study or store.
    """
    return Store(tracking_uri).load(name)


def load(name: str, tracking_uri: str = DEFAULT_URI, allow_mixed: Sequence[str] = ()) -> pd.DataFrame:
    """The runs of a study, one row for each that was planned.

    Args:
        name: of the study.
        tracking_uri: MLflow store.
        allow_mixed: settings that the cells may differ in though they are no factors: ``epochs``, ``select``, ``data``.

    Returns:
        The columns of ``StudyRuns.frame`` and ``score``, the compared metric (NaN where a run has none). Its ``attrs``
        hold ``study``, ``metric``, ``direction``, ``sesoi``, ``baseline`` (a cell) and ``factors`` (columns).

    Raises:
        StudyError: there is no such study or store, or its cells are not comparable.
    """
    store = Store(tracking_uri)
    runs, trials = store.load(name), store.search(name)
    refuse(name, mixtures(runs.plan, trials.plan if trials else None), allow_mixed)
    plan, metric = runs.plan, runs.plan.metric
    frame = runs.frame.assign(score=runs.score)
    frame.attrs = {
        "study": plan.study,
        "metric": metric.name,
        "direction": metric.direction,
        "sesoi": metric.sesoi,
        "baseline": plan.baseline,
        "factors": list(plan.factors.values()),
    }
    return frame


def history(name: str, tracking_uri: str = DEFAULT_URI, cells: Sequence[str] | None = None) -> pd.DataFrame:
    """What each epoch of the finished runs measured: ``cell``, ``name``, ``seed``, ``epoch``, a column for each metric.

    Args:
        name: of the study.
        tracking_uri: MLflow store.
        cells: those that are wanted; all if None, which takes a while where there are thousands of runs.

    Raises:
        StudyError: there is no such study or store.
    """
    store = Store(tracking_uri)
    frame = store.load(name).frame
    wanted = frame[(frame["outcome"] == Outcome.FINISHED) & (frame["cell"].isin(cells) if cells is not None else True)]
    runs = wanted.set_index("run_id")[["cell", "name", "seed"]]
    epochs = store.history(list(runs.index))
    return runs.join(epochs.set_index("run_id"), how="inner").reset_index(drop=True)


def predictions(run_id: str, tracking_uri: str = DEFAULT_URI) -> pd.DataFrame:
    """What a finished run predicted on test, at the chosen epoch; a row for each utterance, in the order of the data.

    Args:
        run_id: as in the column ``run_id`` of ``load``.
        tracking_uri: MLflow store.

    Returns:
        ``dialogue``, ``position`` in the dialogue, ``label`` and ``predicted`` (categories; where an utterance has any
        number of labels, tuples of names), and ``p(NAME)`` of each class or label.

    Raises:
        StudyError: there is no such run or store, or its predictions are gone.
    """
    found = Store(tracking_uri).predictions(run_id)
    assert found.probability is not None
    columns: dict[str, object] = {"dialogue": found.dialogue.astype(np.int64), "position": found.position}
    for name, values in (("label", found.label), ("predicted", found.predicted)):
        if values.ndim == 1:
            categories = pd.CategoricalDtype(list(found.label_names))
            columns[name] = pd.Categorical.from_codes(values.astype(np.int64), dtype=categories)
        else:
            applying = [tuple(np.array(found.label_names, object)[row]) for row in values.astype(bool)]
            columns[name] = pd.Series(applying, dtype=object)
    probability = found.probability.astype(np.float64)
    return pd.DataFrame(columns | {f"p({name})": probability[:, i] for i, name in enumerate(found.label_names)})
