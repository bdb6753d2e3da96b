"""A study as a frame, for notebooks."""

from collections.abc import Sequence

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
