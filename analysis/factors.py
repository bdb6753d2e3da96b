"""Tables of the factors: which of them matter, and what each level gives."""

import pandas as pd

from analysis.runs import StudyRuns
from analysis.statistics.effects import INTERACTION, MAIN, effects
from analysis.statistics.marginal_means import advice, marginal_means
from analysis.tables import (
    ALPHA,
    DASH,
    Table,
    dash_sentence,
    holes_sentence,
    interval,
    number,
    p_value,
    peeking_sentence,
)

AGAINST_SEEDS = (
    "Each difference is estimated with every seed alone and judged by how much it varies over the seeds (largest "
    "moderated |t| of the family)"
)


def effects_table(study: StudyRuns) -> Table:
    """Main effects and two-way interactions of the factors; of a study without factors, the effect of the cell."""
    frame = study.frame.assign(score=study.score)
    factors = list(study.plan.factors.values())
    numbers = effects(frame, factors or ["cell"])
    readable = pd.DataFrame(
        {
            "effect": numbers.index.astype(str),
            "kind": numbers["kind"].to_list(),
            "seeds": numbers["seeds"].map(str).to_list(),
            "range of means": numbers["range"].map(number).to_list(),
            "range, 95 %": [interval(*ends) for ends in zip(numbers["range_low"], numbers["range_high"], strict=True)],
            "p (this effect)": numbers["p_raw"].map(p_value).to_list(),
            "p (Holm)": numbers["p"].map(p_value).to_list(),
        }
    )
    return Table("effects", numbers, readable, _effects_caption(study, numbers, len(factors)))


def _effects_caption(study: StudyRuns, numbers: pd.DataFrame, factors: int) -> str:
    kinds = numbers["kind"].value_counts()
    shown, possible = int(kinds.get(INTERACTION, 0)), factors * (factors - 1) // 2
    hidden = f" {possible - shown} interactions are not shown: the runs cannot tell them." if possible > shown else ""
    exploratory = (
        " Interactions are exploratory: range is the largest difference of differences, and their p-values are "
        f"adjusted among the {shown} of them."
        if shown
        else ""
    )
    notes = "".join(f" {effect}: {note}." for effect, note in numbers["note"].items() if note)
    return (
        f"Study {study.plan.study}: effects of the factors on {study.plan.metric.name}. Range: the largest minus the "
        f"smallest marginal mean, averaged over the levels of the other factors. {AGAINST_SEEDS}; p "
        f"(this effect) is adjusted for all pairs of levels and belongs to the interval, p (Holm) also for the "
        f"{kinds.get(MAIN, 0)} main effects."
        f"{exploratory}{hidden}{notes}{peeking_sentence(study)}{holes_sentence(study)}"
    )


def margins_table(study: StudyRuns, effects: Table) -> Table:
    """Each level of each factor: marginal mean, and its difference to the best level; one sentence each what to set."""
    plan = study.plan
    frame = study.frame.assign(score=study.score)
    table = marginal_means(frame, list(plan.factors.values()), plan.metric.direction)
    numbers = table.reset_index()
    (baseline,) = (cell for cell in plan.cells if cell.cell_id == plan.baseline)
    kept: dict[str, object] = {plan.factors[path]: level for path, level in baseline.levels.items()}
    sentences = " ".join(advice(table, effects.numbers, kept))
    columns = [
        "factor and level",
        "seeds",
        "mean",
        "95 % interval",
        "to the best",
        "95 % interval (joint)",
        "p (adjusted)",
    ]
    readable = pd.DataFrame(
        [
            {
                "factor and level": f"{row['factor']} {row['level']}",
                "seeds": f"{row['seeds']:.0f}",
                "mean": number(row["mean"]),
                "95 % interval": interval(row["low"], row["high"]),
                "to the best": number(row["difference"], "+z.3f"),
                "95 % interval (joint)": interval(row["difference_low"], row["difference_high"], "+z.3f"),
                "p (adjusted)": p_value(row["p"]) if pd.notna(row["p"]) else DASH,
            }
            for _, row in numbers.iterrows()
        ],
        columns=columns,
    )
    # The best level of each factor is compared with nothing.
    tested = numbers.loc[numbers["difference"].notna(), "p"]
    caption = (
        f"Study {plan.study}: marginal means of {plan.metric.name}, averaged over the levels of the other factors, "
        f"with 95 % t intervals over seeds, each for its mean alone; difference to the best level of the factor. "
        f"{AGAINST_SEEDS}; adjusted for all pairs of levels of the factor, not for the number of factors. What to set "
        f"(where the main effect has p (Holm) < {ALPHA:g}): {sentences}{dash_sentence(tested)}{peeking_sentence(study)}"
        f"{holes_sentence(study)}"
    )
    return Table("margins", numbers, readable, caption)


def most_important(effects: pd.DataFrame) -> str | None:
    """The main effect with the largest range among those that are significant after adjustment; None without any."""
    shown = effects[(effects["kind"] == MAIN) & (effects["p"] < ALPHA)]
    return None if shown.empty else str(shown["range"].idxmax())
