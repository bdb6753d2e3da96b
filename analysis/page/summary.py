"""What a study found, in words. Every number comes from a table of the report, none is computed here."""

from collections.abc import Mapping

import pandas as pd

from ablations.record import Outcome
from ablations.words import reference
from analysis.choice import FRESH
from analysis.factors import most_important
from analysis.planned_runs import NOT_NEEDED
from analysis.runs import StudyRuns
from analysis.statistics.effects import MAIN
from analysis.tables import ALPHA, Table, dash_sentence, holes_sentence, interval, number, p_value

VERDICTS = ("better", "worse", "equivalent", "undecided")


def counts(cells: Table) -> dict[str, int]:
    """How many cells have each verdict; empty of a study that compares nothing."""
    found = cells.numbers["verdict"].dropna()
    return {verdict: int((found == verdict).sum()) for verdict in VERDICTS} if len(found) else {}


def summary(runs: StudyRuns, tables: Mapping[str, Table]) -> list[str]:
    """Sentences of the first paragraph.

    Args:
        runs: the study.
        tables: of the report, by name.
    """
    plan, cells = runs.plan, tables["cells"]
    sentences = [_runs(runs), _baseline(runs, cells)]
    if len(plan.cells) > 1:
        tested = cells.numbers.loc[cells.numbers.index != plan.baseline, "p"]
        sentences += [dash_sentence(tested).strip() if tested.isna().all() else ""]
        sentences += [_counts(cells), _best(runs, cells), _fresh(tables["choice"])]
        sentences += [_factor(tables["effects"], plan.factors), _sesoi(plan.metric.sesoi)]
    sentences += failures(tables)
    return [sentence for sentence in [*sentences, holes_sentence(runs).strip()] if sentence]


def _runs(runs: StudyRuns) -> str:
    plan = runs.plan
    asked = runs.frame["outcome"] != NOT_NEEDED
    finished = int((runs.frame["outcome"] == Outcome.FINISHED).sum())
    seeds = f"up to {len(plan.seeds)}" if plan.stopping else f"{len(plan.seeds)}"
    better = "larger" if plan.metric.direction == "max" else "smaller"
    return (
        f"{_many(len(plan.cells), 'cell')}, {seeds} {'seed' if seeds == '1' else 'seeds'} each, {finished} of "
        f"{_many(int(asked.sum()), 'run')} finished; compared on {plan.metric.name}, {better} is better."
    )


def _baseline(runs: StudyRuns, cells: Table) -> str:
    row = _row(cells, runs.plan.baseline)
    what = reference(runs.plan) or row["name"]
    return f"The baseline is {what}, mean {_estimate(row, 'mean')}." if pd.notna(row["mean"]) else ""


def _counts(cells: Table) -> str:
    parts = [f"{n} {verdict}" for verdict, n in counts(cells).items()]
    return f"Against it are {', '.join(parts[:-1])} and {parts[-1]}." if parts else ""


def _best(runs: StudyRuns, cells: Table) -> str:
    means = cells.numbers["mean"].dropna()
    if means.empty:
        return "No run has a result yet."
    best = means.idxmax() if runs.plan.metric.direction == "max" else means.idxmin()
    row = _row(cells, best)
    if best == runs.plan.baseline:
        return "No cell has a better mean than the baseline."
    found = f"The best mean is that of {row['name']}, {number(row['mean'])}"
    if pd.isna(row["difference"]):
        return f"{found}."
    what = f"{number(row['difference'], '+z.3f')}"
    ends = interval(row["difference_low"], row["difference_high"], "+z.3f")
    joint = f", joint 95 % interval {ends}" if pd.notna(row["difference_low"]) else ", no interval"
    return f"{found}: {what} to the baseline{joint}, {row['verdict']}."


def _fresh(choice: Table) -> str:
    """The best mean is optimistic; what a choice on dev yields on other seeds is not."""
    if FRESH not in choice.numbers.index:
        return ""
    row = _row(choice, FRESH)
    compared = f", {_estimate(row, 'difference', '+z.3f', 'difference_')} to the baseline"
    known = pd.notna(row.get("difference"))
    return f"Chosen on dev and judged with fresh seeds: {_estimate(row, 'mean')}{compared if known else ''}."


def _factor(effects: Table, factors: Mapping[str, str]) -> str:
    """What matters most, chosen among the main effects that are significant after adjustment."""
    tested = effects.numbers[(effects.numbers["kind"] == MAIN) & effects.numbers["p"].notna()]
    if tested.empty:
        return ""
    most = most_important(effects.numbers)
    if most is None:
        return f"No main effect is shown: the smallest p is {p_value(tested['p'].min())}{_adjusted(len(tested))}."
    row = _row(effects, most)
    ends = interval(row["range_low"], row["range_high"])
    size = f"range of means {number(row['range'])} {ends}, p {_p(row['p'])}{_adjusted(len(tested))}"
    if not factors:
        return f"The cells differ: {size}."
    paths = {short: path for path, short in factors.items()}
    name = f"{most} ({paths[most]})" if paths[most] != most else most
    return f"Of the factors that are shown to matter, {name} has the largest effect: {size}."


def _adjusted(effects: int) -> str:
    return f", adjusted for {effects} main effects" if effects > 1 else ""


def _row(table: Table, label: object) -> pd.Series:
    return table.numbers[table.numbers.index == label].iloc[0]


def _p(value: float) -> str:
    text = p_value(value)
    return text if text[0] in "<>" else f"= {text}"


def _sesoi(sesoi: float | None) -> str:
    if sesoi is None:
        return "No smallest effect of interest was declared, so no cell can be called equivalent."
    return f"The smallest effect of interest is ±{sesoi:g}."


def _estimate(row: pd.Series, column: str, spec: str = ".3f", prefix: str = "") -> str:
    ends = interval(row[f"{prefix}low"], row[f"{prefix}high"], spec)
    return f"{number(row[column], spec)} {ends}" if pd.notna(row[f"{prefix}low"]) else number(row[column], spec)


def failures(tables: Mapping[str, Table]) -> list[str]:
    """What is to be known of seeds whose training failed, before any difference is believed."""
    found = []
    if "collapse" in tables:
        numbers = tables["collapse"].numbers
        for _, row in numbers[numbers["collapsed"] > 0].iterrows():
            found.append(
                f"The seeds of {row['name']} fall into two groups: {row['collapsed']} of {row['runs']} collapsed "
                f"(mean {number(row['collapsed_mean'])}), the mean of the rest is {number(row['rest'])}."
            )
    if "diverged" in tables:
        numbers = tables["diverged"].numbers
        n = int((numbers["verdict"] != numbers["verdict_floor"]).sum())
        changed = "no verdict" if n == 0 else _many(n, "verdict")
        found.append(f"If diverged runs count as the worst possible ones, {changed} would be another.")
    return found


def _many(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def rules(runs: StudyRuns) -> list[tuple[str, str]]:
    """How the verdicts are made: verdict and rule, in the order in which they are tried."""
    sesoi, fixed = runs.plan.metric.sesoi, runs.plan.stopping is None
    joint = "joint 90 % interval" if fixed else "anytime-valid interval"
    equivalent = (
        f"the {joint} of the difference lies within the smallest effect of interest, ±{sesoi:g}"
        if sesoi
        else "never: no smallest effect of interest was declared (metric: sesoi)"
    )
    how = "by Dunnett's test with moderated variances" if fixed else "by e-values, valid at every number of seeds"
    return [
        ("equivalent", equivalent),
        ("better, worse", f"p < {ALPHA:g}, adjusted for all comparisons with the baseline {how}, paired by seed"),
        ("undecided", "none of these: no sign that there is no difference"),
    ]
