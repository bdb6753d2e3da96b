"""Contrasts of a study whose seeds were added until they were decided: valid however often one looked."""

import math

import pandas as pd

from ablations import sequential
from ablations.record import Plan
from ablations.sequential import Path
from analysis.planned_runs import MISSING, NOT_NEEDED


def paths(plan: Plan, frame: pd.DataFrame) -> list[Path]:
    """The path of each contrast, computed anew from the scores.

    Args:
        plan: of a study with a stopping rule.
        frame: ``run_key``, ``outcome`` and ``score``.
    """
    ended = frame[~frame["outcome"].isin([MISSING, NOT_NEEDED])]
    pairs = zip(ended["run_key"], ended["score"], strict=True)
    return sequential.paths(plan, {key: None if math.isnan(score) else float(score) for key, score in pairs})


def contrasts(plan: Plan, frame: pd.DataFrame) -> pd.DataFrame:
    """Difference of each cell to the baseline at the last seed that counts, adjusted for all contrasts and all looks.

    The interval is that of the confidence sequence (``ablations.sequential``), and ``p = m / max_n E_n`` with m
    contrasts: P(p <= a at any number of seeds, for any of those without effect) <= a. So p <= alpha if and only if the
    interval excludes 0.

    Args:
        plan: of a study with a stopping rule.
        frame: ``run_key``, ``outcome`` and ``score``.

    Returns:
        By cell, without the baseline: ``difference``, ``low``, ``high`` (NaN while unbounded), ``p``.
    """
    found = paths(plan, frame)
    rows = [_row(path, len(found)) for path in found]
    index = pd.Index([path.cell.cell_id for path in found], name="cell")
    return pd.DataFrame(rows, index, columns=["difference", "low", "high", "p"], dtype=float)


def _row(path: Path, contrasts: int) -> dict[str, float]:
    if not path.looks or not path.looks[-1].n:
        return {}
    last = path.looks[-1]
    low, high = (bound if math.isfinite(bound) else math.nan for bound in (last.low, last.high))
    return {"difference": last.difference, "low": low, "high": high, "p": min(1.0, contrasts / path.evidence)}
