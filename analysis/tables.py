"""The tables of a study: computed as frames, then written as CSV in full precision, Markdown and LaTeX."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablations.record import Outcome
from analysis.runs import StudyRuns
from analysis.statistics.anova import effects
from analysis.statistics.contrasts import contrasts
from analysis.statistics.intervals import means

ALPHA = 0.05
DASH = "–"


@dataclass(frozen=True)
class Table:
    """A table: its name, the numbers, the same for people, and what a reader must know of them."""

    name: str
    numbers: pd.DataFrame
    readable: pd.DataFrame
    caption: str

    def write(self, folder: Path) -> list[Path]:
        """Write ``name.csv``, ``name.md`` and ``name.tex``; returns the files."""
        paths = [folder / f"{self.name}.{suffix}" for suffix in ("csv", "md", "tex")]
        self.numbers.to_csv(paths[0], float_format="%.10g")
        escaped = self.readable.map(lambda text: str(text).replace("|", "\\|"))
        body = escaped.to_markdown(index=False, disable_numparse=True)
        paths[1].write_text(f"{body}\n\n{self.caption}\n", encoding="utf-8")
        paths[2].write_text(self._latex(), encoding="utf-8")
        return paths

    def _latex(self) -> str:
        escaped = self.readable.map(_latex_escape).rename(columns=_latex_escape)
        columns = "l" + "r" * (len(escaped.columns) - 1)
        styled = escaped.style.hide(axis="index")
        text = styled.to_latex(
            environment="longtable",
            hrules=True,
            column_format=columns,
            caption=_latex_escape(self.caption),
            label=f"tab:{self.name}",
        )
        return f"% needs \\usepackage{{booktabs,longtable}}\n{text}"


def cells_table(study: StudyRuns) -> Table:
    """Every cell: mean over seeds with its t interval, and the difference to the baseline by Dunnett's test."""
    frame = study.frame.assign(score=study.score)
    baseline = study.plan.baseline
    first = frame.groupby("cell", sort=False).first()
    numbers = first[["name", *study.plan.factors.values()]].join(means(frame["score"], frame["cell"]))
    compared = contrasts(frame, baseline).rename(columns={"low": "difference_low", "high": "difference_high"})
    numbers = numbers.join(compared)
    planned = len(study.plan.seeds)
    return Table("cells", numbers, _readable_cells(numbers, baseline, planned), _cells_caption(study))


def _readable_cells(numbers: pd.DataFrame, baseline: str, planned: int) -> pd.DataFrame:
    rows = []
    for cell, row in numbers.iterrows():
        is_baseline = cell == baseline
        rows.append(
            {
                "cell": f"{row['name']} (baseline)" if is_baseline else row["name"],
                "n": f"{row['n']}" if row["n"] == planned else f"{row['n']} of {planned}",
                "mean": number(row["mean"]),
                "95 % interval": interval(row["low"], row["high"]),
                "difference": DASH if is_baseline else number(row["difference"], "+z.3f"),
                "95 % interval (joint)": DASH
                if is_baseline
                else interval(row["difference_low"], row["difference_high"], "+z.3f"),
                "p (adjusted)": DASH if is_baseline else p_value(row["p"]),
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
    return (
        f"Study {plan.study}: {plan.metric.name} ({better} is better), n runs a cell with different seeds (initial "
        f"weights, order, dropout{fixed}). Mean with 95 % t interval over seeds."
        f"{compared if len(plan.cells) > 1 else ''}{holes_sentence(study)}"
    )


def holes_sentence(study: StudyRuns) -> str:
    """What is missing of the plan; empty when complete."""
    holes = study.holes()
    if holes.empty:
        return ""
    counts = holes["outcome"].value_counts()
    parts = ", ".join(
        f"{counts[outcome]} {outcome}" for outcome in [Outcome.DIVERGED, Outcome.FAILED, "missing"] if outcome in counts
    )
    return f" INCOMPLETE: of {len(study.frame)} planned runs {parts}."


def effects_table(study: StudyRuns) -> Table:
    """Main effects and two-way interactions of the factors; of a study without factors, the effect of the cell."""
    frame = study.frame.assign(score=study.score)
    factors = list(study.plan.factors.values())
    numbers = effects(frame, factors or ["cell"])
    readable = pd.DataFrame(
        {
            "effect": numbers.index.astype(str),
            "df": numbers["df"].map(_format(".0f")).to_list(),
            "F": numbers["F"].map(_format(".2f")).to_list(),
            "p": numbers["p"].map(p_value).to_list(),
            "partial omega squared": numbers["omega2"].map(_format(".3f")).to_list(),
            "range of means": numbers["range"].map(number).to_list(),
        }
    )
    caption = (
        f"Study {study.plan.study}: analysis of variance of {study.plan.metric.name} with seeds as blocks, type III "
        f"sums of squares; p not adjusted for the number of effects. Range of means: largest minus smallest marginal "
        f"mean; of an interaction, of what is left of the means after both main effects.{holes_sentence(study)}"
    )
    return Table("effects", numbers, readable, caption)


def _format(spec: str) -> Callable[[float], str]:
    return lambda value: DASH if pd.isna(value) else f"{value:{spec}}"


def number(value: float, spec: str = ".3f") -> str:
    """For people; a dash where there is none."""
    return _format(spec)(value)


def interval(low: float, high: float, spec: str = ".3f") -> str:
    """For people; a dash where there is none."""
    return DASH if pd.isna(low) else f"[{low:{spec}}, {high:{spec}}]"


def p_value(value: float) -> str:
    """As papers write it; a dash where there is none."""
    if pd.isna(value):
        return DASH
    if value < 0.001:
        return "< .001"
    return "> .999" if value > 0.999 else f"{value:.3f}".lstrip("0")


_LATEX = {character: rf"\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    DASH: "--",
}


def _latex_escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in str(text))
