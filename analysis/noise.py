"""How much of the noise of a difference comes from training, and how much from the size of the test set."""

import numpy as np
import pandas as pd

from ablations.noise.budget import NoiseBudget, needs
from analysis.runs import StudyRuns
from analysis.tables import Table, holes_sentence, number
from analysis.variance import DIFFERENCE

ALL = "all cells"


def noise_table(study: StudyRuns, variance: pd.DataFrame) -> list[Table]:
    """The noise budget of each cell against the baseline, and of all together.

    Args:
        study: the runs.
        variance: numbers of the table of variances.

    Returns:
        The table; none where test dialogues have no part in the metric, or there is one seed or one cell.
    """
    if "interaction" not in variance:
        return []
    rows = variance[(variance["quantity"] == DIFFERENCE) & (variance["interaction"].notna()) & (variance["seeds"] > 0)]
    if rows.empty:
        return []
    n = rows["n"].to_numpy(float)
    numbers = pd.DataFrame(
        {"name": rows["name"].to_numpy(), "n": rows["n"].to_numpy()}
        | {"total": n * rows["seeds"].to_numpy() ** 2, "test": n * rows["interaction"].to_numpy() ** 2},
        index=pd.Index(rows["cell"], name="cell"),
    )
    # Five seeds tell a variance badly: what follows from it is told of the mean over the cells alone.
    mean = numbers[["total", "test"]].mean()
    together = {"name": ALL, "n": int(numbers["n"].min()), "total": mean["total"], "test": mean["test"]}
    numbers = pd.concat([pd.DataFrame([together], index=pd.Index([ALL], name="cell")), numbers])
    numbers["training"] = np.maximum(0, numbers["total"] - numbers["test"])
    numbers["share"] = np.minimum(1, numbers["test"] / numbers["total"])
    readable = pd.DataFrame(
        {
            "cell": numbers["name"].to_list(),
            "n": numbers["n"].map(str).to_list(),
            "sd of the difference": [number(value**0.5, ".4f") for value in numbers["total"]],
            "from training": [number(value**0.5, ".4f") for value in numbers["training"]],
            "from the test set": [number(value**0.5, ".4f") for value in numbers["test"]],
            "part of the variance": [number(value, ".2f") for value in numbers["share"]],
        }
    )
    dialogues = int(rows["test_dialogues"].min())
    budget = NoiseBudget(float(mean["total"]), float(mean["test"]), dialogues)
    return [Table("noise", numbers, readable, _caption(study, budget, together["n"]))]


def _caption(study: StudyRuns, budget: NoiseBudget, seeds: int) -> str:
    plan = study.plan
    return (
        f"Study {plan.study}: noise budget of a difference to the baseline in {plan.metric.name}, paired by seed: "
        f"standard deviation over the n seeds, and its parts. From the test set: trained networks disagree on some of "
        f"the {budget.dialogues} test dialogues, by a bootstrap of dialogues within seed and pair of cells; it shrinks "
        f"with more dialogues. From training: the rest, which only more seeds average out. Of single cells these are "
        f"rough, of all cells the mean variances. {needs(budget, plan.metric.sesoi, seeds, len(plan.cells) - 1)}"
        f"{holes_sentence(study)}"
    )
