"""Cells whose training works with some seeds and not with others."""

import pandas as pd

from ablations.words import marked
from analysis.floor import diverged, floor
from analysis.runs import StudyRuns
from analysis.statistics.groups import groups
from analysis.statistics.intervals import means
from analysis.statistics.sizes import proportion
from analysis.tables import ALPHA, Table, holes_sentence, interval, number


def collapse_table(study: StudyRuns) -> list[Table]:
    """Cells of which runs diverged, or whose seeds fall into two groups of scores: how many, and the mean of the rest.

    Returns:
        The table; none where there is no such cell.
    """
    plan, frame = study.plan, study.frame.assign(score=study.score)
    found = groups(frame)
    apart = found["p"] < ALPHA
    found["diverged"] = diverged(study).groupby(frame["cell"], sort=False).sum().reindex(found.index)
    worse = found["lower"] if plan.metric.direction == "max" else found["n"] - found["lower"]
    found["collapsed"] = worse.where(apart, 0)
    found = found[apart | (found["diverged"] > 0)]
    if found.empty:
        return []
    ranked = frame["score"].groupby(frame["cell"]).rank("first", ascending=plan.metric.direction == "max")
    rest = ranked > frame["cell"].map(found["collapsed"])
    numbers = pd.DataFrame({"name": found.index.map({cell.cell_id: cell.name for cell in plan.cells})}, found.index)
    numbers["runs"] = found["n"] + found["diverged"]
    numbers[["diverged", "collapsed"]] = found[["diverged", "collapsed"]]
    lost = numbers["diverged"] + numbers["collapsed"]
    numbers["rate"] = lost / numbers["runs"]
    ends = [proportion(k, n, 1 - ALPHA) for k, n in zip(lost, numbers["runs"], strict=True)]
    numbers[["rate_low", "rate_high"]] = ends
    numbers["collapsed_mean"] = frame["score"].where(~rest).groupby(frame["cell"]).mean().reindex(found.index)
    kept = means(frame["score"].where(rest), frame["cell"]).reindex(found.index)
    numbers[["rest", "rest_low", "rest_high"]] = kept[["mean", "low", "high"]]
    numbers["p"] = found["p"]
    readable = pd.DataFrame(
        [
            {
                "cell": marked(row["name"], ["baseline"] if cell == plan.baseline else []),
                "runs": f"{row['runs']}",
                "diverged": f"{row['diverged']}",
                "collapsed": f"{row['collapsed']}",
                "rate": number(row["rate"], ".2f"),
                "rate, 95 %": interval(row["rate_low"], row["rate_high"], ".2f"),
                "mean of the collapsed": number(row["collapsed_mean"]),
                "mean of the rest": number(row["rest"]),
                "rest, 95 %": interval(row["rest_low"], row["rest_high"]),
            }
            for cell, row in numbers.iterrows()
        ]
    )
    return [Table("collapse", numbers, readable, _caption(study, int(apart.sum())))]


def _caption(study: StudyRuns, apart: int) -> str:
    plan = study.plan
    groups_ = "No cell's seeds fall" if apart == 0 else f"The seeds of {apart} cell{'s' if apart > 1 else ''} fall"
    most = proportion(0, len(plan.seeds), 1 - ALPHA)[1]
    return (
        f"Study {plan.study}: cells of which runs diverged, or whose seeds fall into two groups of {plan.metric.name}: "
        f"the worse group is called collapsed. {groups_} into two groups (t between the groups of the best split of "
        f"the seeds, adjusted for all splits and cells, p < {ALPHA:g}). A mean over such seeds describes none of "
        f"them, and comparisons do not hold what they claim. What matters then: the rate of runs that diverged or "
        f"collapsed, with Clopper and Pearson's interval, and the mean of the rest with its t interval, which says "
        f"nothing of a seed that fails. Cells that are not named may fail, too: none in {len(plan.seeds)} seeds allows "
        f"a rate of up to {most:.2f}.{_worst_unknown(study)}{holes_sentence(study)}"
    )


def _worst_unknown(study: StudyRuns) -> str:
    if floor(study.plan.metric) is not None or not diverged(study).any():
        return ""
    return (
        f" What the diverged runs would change is not told, as no worst {study.plan.metric.name} is known: declare "
        f"metric: {{floor: ...}}."
    )
