"""The best cell as chosen on dev, and what it yields on test with seeds that did not choose it."""

import pandas as pd

from ablations.record import Outcome
from ablations.words import marked
from analysis.planned_runs import MISSING
from analysis.runs import StudyRuns
from analysis.search import winner
from analysis.statistics.intervals import means
from analysis.statistics.selection import best, cross_fitted, overlap_interval
from analysis.tables import DASH, Table, holes_sentence, interval, number

FRESH = "choice by the other seeds"


def choice_table(study: StudyRuns, trials: StudyRuns | None = None) -> Table:
    """What is chosen on dev, with its test score on the same seeds and on fresh ones.

    Args:
        study: whose cells compete on the dev counterpart of its metric.
        trials: of a search, which has chosen already, on seeds of its own.
    """
    return _of_search(study, trials) if trials else _of_cells(study)


def _of_search(study: StudyRuns, trials: StudyRuns) -> Table:
    plan, chosen = study.plan, winner(study.plan)
    names = pd.Series({cell.cell_id: cell.name for cell in plan.cells})
    test = means(study.score, study.frame["cell"])
    dev = trials.score.groupby(trials.frame["cell"]).mean().reindex(test.index)
    numbers = test.assign(name=names, dev=dev, winner=test.index == chosen)
    row = numbers[numbers["winner"]].iloc[0]
    caption = (
        f"Study {plan.study}. Chosen on dev by the search: {row['name']}, {plan.metric.name} {_score(row)} (fresh "
        f"seeds: the search saw none of them, so no correction is needed); its {trials.plan.metric.name} in the search "
        f"was {number(row['dev'])}, which is optimistic."
    )
    return Table("choice", numbers, _readable(numbers, plan.baseline), f"{caption}{holes_sentence(study)}")


def _of_cells(study: StudyRuns) -> Table:
    plan, metric = study.plan, study.plan.metric
    column = metric.name.replace("test/", "best/dev/", 1)
    dev, test = candidates(study, column)
    if dev.empty or len(dev.columns) == 1:
        why = "no two cells finished with the same seeds" if len(plan.cells) > 1 else "the study has one cell"
        nothing = pd.DataFrame(columns=["cell"])
        return Table("choice", nothing, nothing, f"Study {plan.study}. Nothing to choose: {why}.")
    names = pd.Series({cell.cell_id: cell.name for cell in plan.cells})
    chosen, fresh = best(dev, metric.direction), cross_fitted(dev, test, metric.direction)
    long = test.melt(var_name="cell", value_name="score")
    numbers = means(long["score"], long["cell"])
    numbers = numbers.assign(
        name=names, dev=dev.mean(), winner=numbers.index == chosen, chosen=fresh["chosen"].value_counts()
    )
    numbers["chosen"] = numbers["chosen"].fillna(0).astype(int)
    numbers = numbers.sort_values(["winner", "dev"], ascending=[False, metric.direction == "min"], kind="stable")
    if len(fresh):
        numbers = pd.concat([numbers, _fresh(fresh, test.get(plan.baseline))])
    shown = (numbers["chosen"] > 0) | numbers["winner"] | numbers.index.isin([plan.baseline, FRESH])
    readable = _readable(numbers[shown], plan.baseline)
    return Table("choice", numbers.rename_axis("cell"), readable, _caption(study, column, numbers, dev))


def _fresh(fresh: pd.DataFrame, baseline: pd.Series | None) -> pd.DataFrame:
    """The row of the choice with fresh seeds, with its difference to the baseline where that competes."""
    row = overlap_interval(fresh["score"])
    compared = overlap_interval(fresh["score"] - (float("nan") if baseline is None else baseline))
    ends = {"difference": compared["mean"], "difference_low": compared["low"], "difference_high": compared["high"]}
    return pd.DataFrame([{**row, "name": FRESH, "winner": False, **ends}], index=[FRESH])


def candidates(study: StudyRuns, column: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores on dev and on test, seeds by cells, baseline first: of the seeds that every cell was run with.

    A cell that diverged or failed with one of these seeds does not compete: the mean of the rest is no score of it.
    """
    frame, baseline = study.frame, study.plan.baseline
    if column not in frame:
        return pd.DataFrame(), pd.DataFrame()
    run = ~frame["seed"].isin(frame.loc[frame["outcome"] == MISSING, "seed"])
    groups = frame[run].groupby("cell", sort=False)["outcome"]
    complete = [str(cell) for cell, outcomes in groups if outcomes.eq(Outcome.FINISHED).all()]
    order = sorted(complete, key=lambda cell: cell != baseline)
    dev, test = (
        frame[run].pivot(index="seed", columns="cell", values=values)[order].rename_axis(columns=None)
        for values in (column, study.plan.metric.name)
    )
    return dev, test


def _score(row: pd.Series) -> str:
    return f"{number(row['mean'])} {interval(row['low'], row['high'])}"


def _difference(row: pd.Series) -> str:
    return f"{number(row['difference'], '+z.3f')} {interval(row['difference_low'], row['difference_high'], '+z.3f')}"


def _readable(numbers: pd.DataFrame, baseline: str) -> pd.DataFrame:
    rows = []
    for cell, row in numbers.iterrows():
        marks = [word for word, holds in (("chosen", row["winner"]), ("baseline", cell == baseline)) if holds]
        cells = {"cell": marked(row["name"], marks), "n": f"{row['n']:.0f}"}
        if "chosen" in row:
            cells["chosen by the other seeds"] = number(row["chosen"], ".0f") if cell != FRESH else DASH
        rows.append(
            cells
            | {"dev": number(row["dev"]) if "dev" in row else DASH, "test": number(row["mean"])}
            | {"95 % interval": interval(row["low"], row["high"])}
        )
    return pd.DataFrame(rows, numbers.index)


def _caption(study: StudyRuns, column: str, numbers: pd.DataFrame, dev: pd.DataFrame) -> str:
    plan, naive = study.plan, numbers[numbers["winner"]].iloc[0]
    if FRESH in numbers.index:
        row = numbers.iloc[-1]
        corrected = f"test {_score(row)} (fresh seeds), naive {number(naive['mean'])}"
        if pd.notna(row["difference"]):
            corrected += f"; to the baseline with fresh seeds {_difference(row)}"
    else:
        corrected = f"test {number(naive['mean'])} (naive: with one seed no other is left to judge the choice)"
    left_out = len(plan.cells) - len(dev.columns)
    out = f" {left_out} cells do not compete: not all of their runs finished." if left_out else ""
    return (
        f"Study {plan.study}. Chosen on dev: {naive['name']}, {corrected}. The mean of {column} over {len(dev)} seeds "
        f"chooses among {len(dev.columns)} cells; {plan.metric.name} never does. Naive: test score of the winner on "
        f"the seeds that chose it, which is optimistic. Fresh seeds: for each seed, the cell that the other seeds "
        f"choose is scored on test with this one; mean with 95 % interval over seeds (t, widened as "
        f"the choices overlap).{out}{holes_sentence(study)}"
    )
