"""The comparisons with a baseline, for frames that people make: what would be a wrong answer in silence is refused."""

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

import pandas as pd

from analysis.statistics import contrasts as _contrasts
from analysis.statistics import pairwise as _pairwise
from analysis.statistics import screen as _screen
from analysis.statistics import sizes as _sizes
from analysis.statistics import verdict as _verdict

P = ParamSpec("P")


def _checked(compare: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    @functools.wraps(compare)
    def checked(*args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        given = inspect.signature(compare).bind(*args, **kwargs).arguments
        require(given["frame"], given.get("baseline"))
        return compare(*args, **kwargs)

    return checked


def require(frame: pd.DataFrame, baseline: str | None) -> None:
    """Whether a frame can be compared by cell and seed.

    Args:
        frame: ``cell``, ``seed``, and what is compared.
        baseline: a cell; None where all are compared with all.

    Raises:
        ValueError: a column is missing, there are several data sets or several rows of one cell and seed, there is no
            such baseline, or it shares no seed with another cell.
    """
    missing = [name for name in ("cell", "seed") if name not in frame]
    if missing:
        raise ValueError(f"the frame has no column {' or '.join(missing)}; it has {', '.join(map(str, frame))}")
    if "dataset" in frame and frame["dataset"].nunique() > 1:
        names = ", ".join(map(str, frame["dataset"].unique()))
        raise ValueError(f"the frame has several data sets ({names}), whose scores do not compare; select one of them")
    known = frame.dropna(subset=["score"]) if "score" in frame else frame
    twice = known[known.duplicated(["cell", "seed"])]
    if not twice.empty:
        cell, seed = twice.iloc[0][["cell", "seed"]]
        raise ValueError(f"the frame has {len(twice)} rows too many: cell '{cell}' with seed {seed} is there twice")
    if baseline is None:
        return
    cells = [str(cell) for cell in frame["cell"].unique()]
    if baseline not in cells:
        close = difflib.get_close_matches(str(baseline), cells, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the cells are {', '.join(cells)}"
        raise ValueError(f"the frame has no cell '{baseline}'; {hint}")
    own = known["cell"] == baseline
    if own.any() and not own.all() and not known.loc[~own, "seed"].isin(known.loc[own, "seed"]).any():
        seeds = ", ".join(map(str, known.loc[own, "seed"].unique()))
        raise ValueError(f"no other cell has one of the baseline's seeds ({seeds}), by which the runs are paired")


contrasts = _checked(_contrasts.contrasts)
pairwise = _checked(_pairwise.pairwise)
screen = _checked(_screen.screen)
sizes = _checked(_sizes.sizes)
verdicts = _checked(_verdict.verdicts)
