"""What the verdicts would be if diverged runs counted as the worst possible ones."""

import pandas as pd

from analysis.floor import diverged, filled, floor
from analysis.runs import StudyRuns
from analysis.tables import Table, compared, holes_sentence, interval, number, p_value


def diverged_table(study: StudyRuns) -> list[Table]:
    """The cells that diverged runs have a part in, as the table of cells has them and with the worst score for those.

    Where the noisy seeds of a cell diverge, what is left of it are the good ones.

    Returns:
        The table; none where no run diverged, no worst score is known, or there is one cell.
    """
    plan, worst = study.plan, filled(study)
    if worst is None or len(plan.cells) < 2:
        return []
    lost = diverged(study).groupby(study.frame["cell"], sort=False).sum()
    numbers = compared(study, study.score).join(compared(study, worst).add_suffix("_floor"))
    concerned = (lost.reindex(numbers.index) > 0) | (numbers["verdict"] != numbers["verdict_floor"])
    numbers = numbers[concerned | (lost[plan.baseline] > 0)]
    numbers.insert(0, "name", numbers.index.map({cell.cell_id: cell.name for cell in plan.cells}))
    numbers.insert(1, "diverged", lost.reindex(numbers.index))
    readable = pd.DataFrame(
        {
            "cell": numbers["name"],
            "diverged": numbers["diverged"].map(str),
            "difference": [number(x, "+z.3f") for x in numbers["difference"]],
            "verdict": numbers["verdict"],
            "difference, worst": [number(x, "+z.3f") for x in numbers["difference_floor"]],
            "95 % interval (joint), worst": [
                interval(*ends, "+z.3f") for ends in zip(numbers["low_floor"], numbers["high_floor"], strict=True)
            ],
            "p (adjusted), worst": numbers["p_floor"].map(p_value),
            "verdict, worst": numbers["verdict_floor"],
        }
    )
    own = f"{lost[plan.baseline]} runs of the baseline" if lost[plan.baseline] else "none of them of the baseline"
    caption = (
        f"Study {plan.study}: differences to the baseline in {plan.metric.name} as they are without the diverged runs, "
        f"and with {floor(plan.metric):g} for each of these, the worst score that a run may have "
        f"({'as declared' if plan.metric.floor is not None else 'the bound of the metric'}). {int(lost.sum())} runs "
        f"diverged, {own}. A verdict that stands in only one of the two rests on what the diverged runs are worth."
        f"{holes_sentence(study)}"
    )
    return [Table("diverged", numbers, readable, caption)]
