"""The tables of a study: computed as frames, then written as CSV in full precision, Markdown and LaTeX."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablations.record import Outcome, Plan
from ablations.words import marked, reference
from analysis import latex
from analysis.floats import Float
from analysis.floor import filled, floor
from analysis.planned_runs import NOT_NEEDED
from analysis.runs import StudyRuns
from analysis.statistics import anytime
from analysis.statistics.intervals import means
from analysis.statistics.notation import bounds
from analysis.statistics.verdict import verdicts

ALPHA = 0.05
DASH, DAGGER, DOUBLE_DAGGER = "–", "†", "‡"


@dataclass(frozen=True)
class Table:
    """A table: its name, the numbers, the same for people, and what a reader must know of them."""

    name: str
    numbers: pd.DataFrame
    readable: pd.DataFrame
    caption: str

    def write(self, folder: Path, of: str, kind: Float = Float.AUTO) -> list[Path]:
        """Write ``name.csv``, ``name.md`` and ``name.tex``.

        Args:
            folder: where to.
            of: the study, or several: a part of the label in LaTeX, ``tab:of:name``.
            kind: environment in LaTeX.

        Returns:
            The files.
        """
        paths = [folder / f"{self.name}.{suffix}" for suffix in ("csv", "md", "tex")]
        self.numbers.to_csv(paths[0], float_format="%.10g")
        escaped = self.readable.map(lambda text: str(text).replace("|", "\\|"))
        body = escaped.to_markdown(index=False, disable_numparse=True)
        paths[1].write_text(f"{body}\n\n{self.caption}\n", encoding="utf-8")
        paths[2].write_text(latex.table(self.readable, self.caption, f"tab:{of}:{self.name}", kind), encoding="utf-8")
        return paths


def cells_table(study: StudyRuns) -> Table:
    """Every cell: mean over seeds with its t interval, and the difference to the baseline by Dunnett's test."""
    frame = study.frame.assign(score=study.score)
    baseline = study.plan.baseline
    first = frame.groupby("cell", sort=False).first()
    numbers = first[["name", *study.plan.factors.values()]].join(means(frame["score"], frame["cell"]))
    found = compared(study, study.score)
    numbers = numbers.join(found.rename(columns={"low": "difference_low", "high": "difference_high"}))
    planned, worst = None if study.plan.stopping else len(study.plan.seeds), filled(study)
    unsure = found["verdict"] != (found if worst is None else compared(study, worst))["verdict"]
    readable = _readable_cells(numbers, baseline, planned, unsure[unsure].index)
    notes = dash_sentence(found["p"]) + _unsure_sentence(study, unsure)
    return Table("cells", numbers, readable, _cells_caption(study) + notes)


def compared(study: StudyRuns, score: pd.Series) -> pd.DataFrame:
    """Each cell against the baseline, by cell: ``difference``, ``low``, ``high``, ``p`` and ``verdict``.

    Args:
        study: the runs.
        score: of each of them.
    """
    plan, frame = study.plan, study.frame.assign(score=score)
    if plan.stopping is None:
        found = verdicts(frame, plan.baseline, plan.metric.direction, plan.metric.sesoi)
        return found.drop(columns=["tost_low", "tost_high"])
    decision = {path.cell.cell_id: str(path.decision) for path in anytime.paths(plan, frame)}
    found = anytime.contrasts(plan, frame)
    return found.assign(verdict=found.index.map(decision))


def _readable_cells(numbers: pd.DataFrame, baseline: str, planned: int | None, unsure: "pd.Index[str]") -> pd.DataFrame:
    rows = []
    for cell, row in numbers.iterrows():
        is_baseline, whole = cell == baseline, planned in (row["n"], None)
        rows.append(
            {
                "cell": marked(row["name"], ["baseline"] if is_baseline else []) + ("" if whole else DAGGER),
                "n": f"{row['n']}" if whole else f"{row['n']} of {planned}",
                "mean": number(row["mean"]),
                "95 % interval": interval(row["low"], row["high"]),
                "difference": DASH if is_baseline else number(row["difference"], "+z.3f"),
                "95 % interval (joint)": DASH
                if is_baseline
                else interval(row["difference_low"], row["difference_high"], "+z.3f"),
                "p (adjusted)": DASH if is_baseline else p_value(row["p"]),
                "verdict": DASH if is_baseline else row["verdict"] + (DOUBLE_DAGGER if cell in unsure else ""),
            }
        )
    return pd.DataFrame(rows)


def _cells_caption(study: StudyRuns) -> str:
    plan = study.plan
    better = "larger" if plan.metric.direction == "max" else "smaller"
    fixed = "; the data and their split are fixed" if len({cell.data_digest for cell in plan.cells}) == 1 else ""
    compared = (
        f" Difference to the baseline: paired by seed; intervals and p-values adjusted for all "
        f"{len(plan.cells) - 1} comparisons by Dunnett's test with moderated variances."
    )
    if plan.stopping:
        compared = (
            f" Seeds were added until a contrast was decided: difference to the baseline over its paired seeds, with "
            f"anytime-valid intervals and p-values, adjusted for all {len(plan.cells) - 1} comparisons (e-values, "
            f"Bonferroni)."
        )
    return (
        f"Study {plan.study}: {plan.metric.name} ({better} is better), n runs a cell with different seeds (initial "
        f"weights, order, dropout{fixed}).{_reference(plan)} Mean with 95 % t interval over seeds."
        f"{compared + _verdicts_sentence(study) if len(plan.cells) > 1 else ''}{holes_sentence(study)}"
    )


def _reference(plan: Plan) -> str:
    """What the baseline is, where its name does not tell."""
    words = reference(plan)
    return f" Cells are named by what differs from the baseline: {words}." if words else ""


def _verdicts_sentence(study: StudyRuns) -> str:
    sesoi, fixed = study.plan.metric.sesoi, study.plan.stopping is None
    inside = "the joint 90 % interval" if fixed else "the interval"
    equivalent = f"equivalent: {inside} is within the smallest effect of interest, ±{sesoi:g}; " if sesoi else ""
    return f" Verdicts: {equivalent}better, worse: p < {ALPHA:g}; else undecided."


def _unsure_sentence(study: StudyRuns, unsure: pd.Series) -> str:
    if not unsure.any():
        return ""
    return f" {DOUBLE_DAGGER}: another verdict if diverged runs count as {floor(study.plan.metric):g} (table diverged)."


def holes_sentence(study: StudyRuns) -> str:
    """What is missing of the plan; empty when complete."""
    holes = study.holes()
    if holes.empty:
        return ""
    counts = holes["outcome"].value_counts()
    parts = ", ".join(
        f"{counts[outcome]} {outcome}" for outcome in [Outcome.DIVERGED, Outcome.FAILED, "missing"] if outcome in counts
    )
    planned = (study.frame["outcome"] != NOT_NEEDED).sum()
    return f" INCOMPLETE: of {planned} planned runs {parts}. {DAGGER}: not all seeds."


def dash_sentence(tested: pd.Series) -> str:
    """Why some comparisons have no interval and no p-value; empty where all have.

    Args:
        tested: a p-value, or an end of an interval, of each comparison.
    """
    if tested.notna().all() or tested.empty:
        return ""
    what = "Nothing is tested" if tested.isna().all() else f"A dash ({DASH}): not tested"
    return f" {what}: that takes two seeds in common, and differences that vary over the seeds."


def peeking_sentence(study: StudyRuns) -> str:
    """What p-values for a fixed number of seeds are worth where it was not fixed; empty where it was."""
    if study.plan.stopping is None:
        return ""
    return " Seeds were added until contrasts were decided: these p-values and intervals describe, they do not test."


def _format(spec: str) -> Callable[[float], str]:
    return lambda value: DASH if pd.isna(value) else f"{value:{spec}}"


def number(value: float, spec: str = ".3f") -> str:
    """For people; a dash where there is none."""
    return _format(spec)(value)


def interval(low: float, high: float, spec: str = ".3f") -> str:
    """For people; a dash where there is none."""
    return DASH if pd.isna(low) else bounds(low, high, "+" in spec, int(spec[-2]))


def p_value(value: float) -> str:
    """As papers write it; a dash where there is none."""
    if pd.isna(value):
        return DASH
    if value < 0.001:
        return "< .001"
    return "> .999" if value > 0.999 else f"{value:.3f}".lstrip("0")
