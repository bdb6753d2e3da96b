"""F1 of each class: which classes pay for a gain, and which win by it."""

import pandas as pd

from ablations.words import marked
from analysis.runs import CLASS, StudyRuns
from analysis.statistics.contrasts import contrasts
from analysis.statistics.intervals import means
from analysis.tables import DASH, Table, dash_sentence, holes_sentence, interval, number, p_value, peeking_sentence


def classes_table(study: StudyRuns) -> Table:
    """For each class and cell, F1 on test with its interval and the difference to the baseline."""
    columns = [column for column in map(str, study.frame) if column.startswith(CLASS)]
    parts = [_of_class(study, column) for column in columns]
    numbers = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["class", "cell", "name", "mean"])
    baseline = study.plan.baseline
    rows = [
        {
            "class": row["class"],
            "cell": marked(row["name"], ["baseline"] if row["cell"] == baseline else []),
            "F1": number(row["mean"]),
            "95 % interval": interval(row["low"], row["high"]),
            "difference": number(row["difference"], "+z.3f"),
            "95 % interval (joint)": interval(row["difference_low"], row["difference_high"], "+z.3f"),
            "p (adjusted)": DASH if row["cell"] == baseline else p_value(row["p"]),
        }
        for _, row in numbers.iterrows()
    ]
    tested = numbers.loc[numbers["cell"] != baseline, "p"] if "p" in numbers else pd.Series(dtype=float)
    caption = (
        f"Study {study.plan.study}: F1 of each class on test, mean over seeds with 95 % t interval. Difference to the "
        f"baseline: paired by seed; adjusted by Dunnett's test with moderated variances for all cells within a class, "
        f"not for the number of classes.{dash_sentence(tested)}{peeking_sentence(study)}{holes_sentence(study)}"
    )
    return Table("classes", numbers, pd.DataFrame(rows), caption)


def _of_class(study: StudyRuns, column: str) -> pd.DataFrame:
    frame = study.frame.assign(score=study.frame[column])
    difference = contrasts(frame, study.plan.baseline)
    difference = difference.rename(columns={"low": "difference_low", "high": "difference_high"})
    names = frame.groupby("cell", sort=False)["name"].first()
    table = means(frame["score"], frame["cell"]).join(difference).join(names)
    return table.reset_index(names="cell").assign(**{"class": column.removeprefix(CLASS)})
