"""The worst score that a run may have: what a diverged run counts as, beside the analysis that leaves it out."""

import pandas as pd

from ablations.record import Metric, Outcome
from analysis.runs import StudyRuns

# Metrics of classes, which are never below 0, by the last part of their names.
NEVER_NEGATIVE = ("accuracy", "weighted_f1", "macro_f1", "micro_f1", "average_precision")


def floor(metric: Metric) -> float | None:
    """As it was declared, or else the bound of the metric; None if neither is known."""
    if metric.floor is not None:
        return metric.floor
    bounded = metric.direction == "max" and metric.name.rpartition("/")[2] in NEVER_NEGATIVE
    return 0.0 if bounded else None


def diverged(study: StudyRuns) -> pd.Series:
    """Whether each run diverged."""
    return study.frame["outcome"] == Outcome.DIVERGED


def filled(study: StudyRuns) -> pd.Series | None:
    """Scores in which diverged runs have the worst; None where none diverged, or no worst score is known."""
    worst, lost = floor(study.plan.metric), diverged(study)
    return None if worst is None or not lost.any() else study.score.mask(lost, worst)
