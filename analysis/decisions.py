"""How the contrasts of a study came to be decided, where seeds were added until they were."""

import pandas as pd

from ablations import sequential
from analysis.runs import StudyRuns
from analysis.statistics import anytime
from analysis.tables import Table, holes_sentence, interval, number, p_value


def decisions_table(study: StudyRuns) -> Table:
    """Each contrast with its decision, the seeds that it took and the evidence."""
    plan = study.plan
    frame = study.frame.assign(score=study.score)
    found = anytime.paths(plan, frame)
    rows = [
        {
            "cell": path.cell.cell_id,
            "name": path.cell.name,
            "decision": str(path.decision),
            "seeds": path.looks[-1].seeds if path.looks else 0,
            "pairs": path.looks[-1].n if path.looks else 0,
            "evidence": path.evidence,
        }
        for path in found
    ]
    numbers = pd.DataFrame(rows).set_index("cell").join(anytime.contrasts(plan, frame))
    readable = pd.DataFrame(
        {
            "cell": numbers["name"],
            "decision": numbers["decision"],
            "seeds": numbers["seeds"].astype(str),
            "pairs": numbers["pairs"].astype(str),
            "difference": [number(x, "+z.3f") for x in numbers["difference"]],
            "95 % interval (joint, anytime)": [
                interval(*bounds, "+z.3f") for bounds in zip(numbers["low"], numbers["high"], strict=True)
            ],
            "largest e-value": [f"{x:.3g}" for x in numbers["evidence"]],
            "p (anytime, adjusted)": numbers["p"].map(p_value),
        }
    )
    return Table("decisions", numbers, readable, _caption(study, sequential.threshold(plan)))


def _caption(study: StudyRuns, threshold: float) -> str:
    plan, rule = study.plan, study.plan.stopping
    assert rule is not None
    first = sequential.first_round(plan)
    equivalent = (
        f", equivalent where its interval is within ±{plan.metric.sesoi:g}"
        if plan.metric.sesoi
        else "; without a smallest effect of interest none is called equivalent"
    )
    return (
        f"Study {plan.study}: seeds were added to each contrast until it was decided on {plan.metric.name}, from "
        f"{first} to at most {len(plan.seeds)}. A contrast is better or worse where its e-value (anytime-valid t-test "
        f"of the paired differences) reaches {threshold:g} = {len(plan.cells) - 1} contrasts / {rule.alpha:g}"
        f"{equivalent}. All intervals hold together, at every number of seeds.{holes_sentence(study)}"
    )


def looks(study: StudyRuns) -> pd.DataFrame:
    """Every look: ``name`` of the cell, ``seeds``, ``e_value`` then, and the final ``decision`` of the contrast."""
    found = anytime.paths(study.plan, study.frame.assign(score=study.score))
    rows = [(path.cell.name, look.seeds, look.e_value, str(path.decision)) for path in found for look in path.looks]
    return pd.DataFrame(rows, columns=["name", "seeds", "e_value", "decision"])
