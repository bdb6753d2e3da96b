"""Marginal means of the factors, and what to set."""

import pandas as pd

from analysis.runs import StudyRuns
from analysis.statistics.marginal import marginal, sentences
from analysis.tables import DASH, Table, holes_sentence, interval, number, p_value, peeking_sentence


def margins_table(study: StudyRuns) -> Table:
    """Each level of each factor: marginal mean, and its difference to the best level; one sentence each what to set."""
    plan = study.plan
    frame = study.frame.assign(score=study.score)
    factors = list(plan.factors.values())
    table = marginal(frame, factors, plan.metric.direction)
    numbers = table.reset_index()
    (baseline,) = (cell for cell in plan.cells if cell.cell_id == plan.baseline)
    keep: dict[str, object] = {plan.factors[path]: level for path, level in baseline.levels.items()}
    advice = " ".join(sentences(table, keep))
    readable = pd.DataFrame(
        [
            {
                "factor and level": f"{row['factor']} {row['level']}",
                "mean": number(row["mean"]),
                "95 % interval": interval(row["low"], row["high"]),
                "to the best": number(row["difference"], "+z.3f"),
                "95 % interval (joint)": interval(row["difference_low"], row["difference_high"], "+z.3f"),
                "p (adjusted)": p_value(row["p"]) if pd.notna(row["p"]) else DASH,
            }
            for _, row in numbers.iterrows()
        ],
        columns=["factor and level", "mean", "95 % interval", "to the best", "95 % interval (joint)", "p (adjusted)"],
    )
    caption = (
        f"Study {plan.study}: marginal means of {plan.metric.name} over the levels of the other factors, seeds as "
        f"blocks, with 95 % t intervals; difference to the best level of the factor, adjusted for all pairs of its "
        f"levels (Tukey), not for the number of factors. {advice}{peeking_sentence(study)}{holes_sentence(study)}"
    )
    return Table("margins", numbers, readable, caption)
