"""The loss taken apart: what each term is worth at the chosen epoch."""

import pandas as pd

from analysis.course import Course
from analysis.runs import StudyRuns
from analysis.tables import Table, holes_sentence, number

PARTS = {"loss": "raw", "weight": "weight", "weighted": "weighted", "share": "share", "gradient": "gradient"}
NORMALISED = (
    " The weighted terms are of the normalised terms; after minmax a term that keeps falling is worth nothing though "
    "it drives the training: look at its gradient."
)


def breakdown_table(study: StudyRuns, course: Course) -> Table:
    """For each drawn cell and term, means over the seeds at the chosen epoch."""
    values = {}
    for part, name in PARTS.items():
        long = course.long(f"train/{part}/")
        values[name] = long[long["best"]].groupby(["name", "term"], sort=False)["value"].mean()
    numbers = pd.DataFrame(values).reindex(pd.MultiIndex.from_product([course.names, course.terms]))
    numbers = numbers.rename_axis(["cell", "term"]).dropna(how="all").reset_index()
    readable = numbers.assign(**{name: numbers[name].map(lambda x: number(x, ".4g")) for name in PARTS.values()})
    caption = (
        f"Study {study.plan.study}: terms of the loss in the epoch that was chosen on dev, means over its training "
        f"utterances and over seeds. The weighted terms add up to the total; share is of the sum of their absolute "
        f"values; gradient is the length of the weighted term's gradient, where it was measured."
        f"{NORMALISED if course.normalised else ''}"
        f"{f' {course.left_out} cells are not shown.' if course.left_out else ''}{holes_sentence(study)}"
    )
    return Table("breakdown", numbers, readable, caption)
