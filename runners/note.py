"""The note of a study, in Markdown, as MLflow shows it: what it is, what it found, how to browse it, its matrix."""

from collections.abc import Iterable
from itertools import chain

from ablations.record import SEED_PARAM, Kind, Outcome, Plan, Tag
from ablations.words import reference, size_of

NOTE = "mlflow.note.content"  # the tag that the UI shows as the note
MOST = 5000  # characters that every supported MLflow keeps of a note
REPORT, BROWSE, MATRIX = "\n## Report\n\n", "\n## In this UI\n\n", "\n## Matrix\n\n"
HEAD = 500
LEVELS = 12  # of a factor, that are listed


def note(plan: Plan, text: str, params: Iterable[str], former: str = "") -> str:
    """The note of a study.

    Args:
        plan: what it should hold.
        text: the matrix file.
        params: paths of the settings that its runs have as params.
        former: the note before; what it says of a report is kept.

    Returns:
        At most ``MOST`` characters: the matrix is cut first, then the table of the report.
    """
    report = former.partition(REPORT)[2].partition(BROWSE)[0]
    return _joined(_study(plan), report, _browse(params), text.strip())


def with_report(former: str, report: str) -> str:
    """A note with another report."""
    head, _, rest = former.partition(BROWSE)
    browse, _, matrix = rest.partition(MATRIX)
    return _joined(head.partition(REPORT)[0], report, browse, matrix.removeprefix("```yaml\n").removesuffix("\n```\n"))


def _joined(study: str, report: str, browse: str, matrix: str) -> str:
    fixed = study + (REPORT if report else "") + BROWSE + browse + MATRIX + "```yaml\n\n```\n"
    room = MOST - len(fixed)
    # A matrix that is cut keeps its first lines, which say what the study is for.
    report = _cut(
        report, room - min(len(matrix), HEAD), "(shortened: the whole table is `report/cells.md` among the artifacts)\n"
    )
    matrix = _cut(matrix, room - len(report), "# (shortened: the whole file is matrix.yaml among the artifacts)")
    return f"{study}{REPORT + report if report else ''}{BROWSE}{browse}{MATRIX}```yaml\n{matrix}\n```\n"[:MOST]


def _cut(text: str, room: int, hint: str) -> str:
    """Whole lines, as many as there is room for."""
    if len(text) <= room:
        return text
    kept = text[: max(0, room - len(hint) - 1)].rpartition("\n")[0]
    return f"{kept}\n{hint}"


def _study(plan: Plan) -> str:
    baseline = next(cell for cell in plan.cells if cell.cell_id == plan.baseline)
    words = reference(plan)
    lines = [
        f"Study **{plan.study}**: {size_of(plan)}, compared on `{plan.metric.name}` ({plan.metric.direction}) with the "
        f"baseline{f': {words}' if words else f' **{baseline.name}**'}."
    ]
    if plan.factors:
        lines += ["", "| factor | levels |", "|---|---|"]
        lines += [f"| `{path}` ({short}) | {_levels(plan, path)} |" for path, short in plan.factors.items()]
    elif len(plan.cells) > 1:
        lines += ["", f"Cells: {_listed([cell.name for cell in plan.cells])}."]
    return "\n".join(lines) + "\n"


def _levels(plan: Plan, path: str) -> str:
    return _listed(dict.fromkeys(cell.levels[path] for cell in plan.cells if path in cell.levels))


def _listed(words: Iterable[str]) -> str:
    shown = list(words)
    return ", ".join(chain(shown[:LEVELS], [f"and {len(shown) - LEVELS} more"] if len(shown) > LEVELS else []))


def _browse(params: Iterable[str]) -> str:
    """How to group and filter: what the UI averages, and the tags that people can read."""
    known = "".join(f", `{path}`" for path in sorted(params))
    outcomes = ", ".join(f"`{outcome}`" for outcome in Outcome)
    return (
        f'Filter with `tags."{Tag.KIND}" = "{Kind.CELL}"` first: the run of kind `{Kind.STUDY}` holds plan, matrix and '
        f"report, and trains nothing. Then *Group by* takes the mean of every metric over the seeds of a cell "
        f"(tag `{Tag.NAME}`), or over the seeds and all other factors (the param of a factor). Only runs that are "
        f"loaded count, so *Load more* first. *Columns* shows the metrics; the chart view draws the curves.\n\n"
        f"| to filter or group by | values |\n|---|---|\n"
        f"| params `{SEED_PARAM}`{known} | as trained; the rest is in `config.yaml` of each run |\n"
        f"| tag `{Tag.NAME}` | the cell, named by what differs from the baseline |\n"
        f"| tag `{Tag.BASELINE}` | `yes`, `no` |\n"
        f"| tag `{Tag.PLANNED}` | `yes`; `no`: other code, data or cells than the study's now |\n"
        f"| tag `{Tag.OUTCOME}` | {outcomes} |\n"
        f"| tag `{Tag.KIND}` | `{Kind.CELL}`, `{Kind.STUDY}`, of a search `{Kind.SEARCH}` |\n"
    )
