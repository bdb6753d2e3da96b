"""How large the differences to the baseline are, in three ways."""

import pandas as pd

from analysis.runs import StudyRuns
from analysis.statistics.sizes import sizes
from analysis.tables import Table, dash_sentence, holes_sentence, interval, number, peeking_sentence

SIZES = {"difference": "difference", "dz": "standardised", "better": "P(better)"}


def sizes_table(study: StudyRuns) -> Table:
    """Each cell against the baseline: difference, standardised difference, and how often it is better."""
    plan = study.plan
    frame = study.frame.assign(score=study.score)
    names = {cell.cell_id: cell.name for cell in plan.cells}
    numbers = sizes(frame, plan.baseline, plan.metric.direction)
    numbers.insert(0, "name", numbers.index.map(names))
    rows = []
    for _, row in numbers.iterrows():
        shown = {"cell": row["name"], "n": f"{row['n']}"}
        for size, label in SIZES.items():
            spec = ".2f" if size == "better" else "+z.3f" if size == "difference" else "+z.2f"
            prefix = "" if size == "difference" else f"{size}_"
            shown[label] = number(row[size], spec)
            shown[f"{label}, 95 %"] = interval(row[f"{prefix}low"], row[f"{prefix}high"], spec)
        rows.append(shown)
    caption = (
        f"Study {plan.study}: sizes of the differences to the baseline in {plan.metric.name}, n pairs of runs with the "
        f"same seed; no interval is adjusted. Standardised: difference in standard deviations of the paired "
        f"differences, with Hedges' correction. P(better): part of the seeds on which the cell is better, with Clopper "
        f"and Pearson's interval; above .75 it is called meaningful (Bouthillier et al. 2021)."
        f"{dash_sentence(numbers['low'])}{peeking_sentence(study)}{holes_sentence(study)}"
    )
    return Table("sizes", numbers, pd.DataFrame(rows), caption)
