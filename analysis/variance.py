"""How much of the uncertainty comes from the seeds, and how much from the test dialogues."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from ablations.noise.counts import Array, Counts, count, scorer
from ablations.noise.dialogues import NAN, Sources, resampled, sources, weights
from ablations.record import Outcome
from ablations.words import marked
from analysis.course import drawn_cells
from analysis.runs import Store, StudyRuns
from analysis.tables import Table, holes_sentence, interval, number

MOST = 400  # runs whose predictions are read; 2 ms each with 600 test dialogues, and as much to resample
MEAN, DIFFERENCE = "mean", "difference"
Score = Callable[[Array], Array]


def variance_table(store: Store, study: StudyRuns) -> Table:
    """Mean of each cell, and difference to the baseline, with the standard error from seeds, dialogues and both.

    Of all cells, or of those that are drawn where a study has more than 400 runs.
    """
    frame = study.frame.assign(score=study.score)[study.frame["outcome"] == Outcome.FINISHED]
    left_out = 0
    if len(frame) > MOST:
        shown = frame["cell"].isin(drawn_cells(study.plan))
        left_out = frame["cell"].nunique() - frame.loc[shown, "cell"].nunique()
        frame = frame[shown]
    score = scorer(study.plan.metric.name) if study.classified else None
    counts = {run: count(store.predictions(run, probability=False)) for run in frame["run_id"]} if score else {}
    numbers = variances(frame, study.plan.baseline, counts, score)
    caption = _caption(study, counts, left_out)
    return Table("variance", numbers, _readable(numbers, study.plan.baseline), caption)


def variances(frame: pd.DataFrame, baseline: str, counts: Mapping[str, Counts], score: Score | None) -> pd.DataFrame:
    """The numbers of the table.

    Args:
        frame: finished runs: ``cell``, ``name``, ``seed``, ``run_id``, ``score``.
        baseline: a cell.
        counts: of each run, by its id.
        score: from counts to the metric; None if it is no function of them, and dialogues have no part.

    Returns:
        Two rows for each cell, one for the baseline: ``cell``, ``name``, ``quantity`` (mean, difference), ``n`` seeds,
        ``test_dialogues``, and the fields of ``Sources``, the intervals as ``low_seeds``, ``high_seeds``, ``low_both``,
        ``high_both``.
    """
    first = frame.groupby("cell", sort=False)["name"].first()
    runs = {cell: frame[frame["cell"] == cell].set_index("seed") for cell in first.index}
    # Each run is resampled once: the baseline's are needed for every difference.
    draws = {
        run_id: resampled(one.values[None], weights(len(one.dialogues)), score)[:, 0]
        for run_id, one in counts.items()
        if score is not None
    }
    rows: list[dict[str, object]] = []
    for cell, name in first.items():
        known = {"cell": cell, "name": name}
        rows += [known | _row(MEAN, _of_cell(runs[cell], counts, draws))]
        if cell != baseline and baseline in runs:
            rows += [known | _row(DIFFERENCE, _of_pair(runs[cell], runs[baseline], counts, draws))]
    return pd.DataFrame(rows)


def _of_cell(runs: pd.DataFrame, counts: Mapping[str, Counts], draws: Mapping[str, Array]) -> tuple[Array, Array, int]:
    """Scores (n,), the same in each resample (B, n), and the number of dialogues: 1 if they have no part."""
    scores, run_ids = runs["score"].to_numpy(float), [run_id for run_id in runs["run_id"] if run_id in draws]
    first = counts[run_ids[0]] if run_ids else None
    if first is None or not all(counts[run_id].alike(first) for run_id in run_ids):
        return scores, np.full((2, len(scores)), NAN), 1
    return scores, np.stack([draws[run_id] for run_id in run_ids], axis=1), len(first.dialogues)


def _of_pair(
    runs: pd.DataFrame,
    baseline: pd.DataFrame,
    counts: Mapping[str, Counts],
    draws: Mapping[str, Array],
) -> tuple[Array, Array, int]:
    """As of a cell, of the differences by seed; the same resamples in both cells, which pairs the dialogues too."""
    seeds = [seed for seed in runs.index if seed in baseline.index]
    here, there = runs.loc[seeds], baseline.loc[seeds]
    one, other = _of_cell(here, counts, draws), _of_cell(there, counts, draws)
    paired = all(counts[a].alike(counts[b]) for a, b in zip(here["run_id"], there["run_id"], strict=True) if counts)
    return one[0] - other[0], one[1] - other[1], min(one[2], other[2]) if paired else 1


def _row(quantity: str, parts: tuple[Array, Array, int]) -> dict[str, object]:
    found = sources(*parts) if len(parts[0]) else Sources(NAN, NAN, NAN, NAN, NAN, NAN, (NAN, NAN), (NAN, NAN))
    fields = asdict(found)
    for name in ("seeds", "both"):
        fields[f"low_{name}"], fields[f"high_{name}"] = fields.pop(f"interval_{name}")
    return {"quantity": quantity, "n": len(parts[0]), "test_dialogues": parts[2], **fields}


def _readable(numbers: pd.DataFrame, baseline: str) -> pd.DataFrame:
    return pd.DataFrame(list(_rows(numbers, baseline)), columns=None if len(numbers) else ["cell"])


def _rows(numbers: pd.DataFrame, baseline: str) -> Iterator[dict[str, str]]:
    for _, row in numbers.iterrows():
        spec = ".3f" if row["quantity"] == MEAN else "+z.3f"
        yield {
            "cell": marked(row["name"], ["baseline"] if row["cell"] == baseline else []),
            "quantity": row["quantity"],
            "n": str(row["n"]),
            "estimate": number(row["estimate"], spec),
            "error: seeds": number(row["seeds"], ".4f"),
            "dialogues": number(row["dialogues"], ".4f"),
            "both": number(row["both"], ".4f"),
            "95 % interval (seeds)": interval(row["low_seeds"], row["high_seeds"], spec),
            "95 % interval (both)": interval(row["low_both"], row["high_both"], spec),
        }


def _caption(study: StudyRuns, counts: Mapping[str, Counts], left_out: int) -> str:
    metric = study.plan.metric.name
    sizes = sorted({len(one.dialogues) for one in counts.values()})
    of = f" ({' or '.join(map(str, sizes))} test dialogues)" if sizes else ""
    if not counts:
        how = (
            f"DIALOGUES LEFT OUT: {metric} is no function of counts by dialogue, so only the error from seeds is given."
        )
    else:
        how = (
            "Dialogues: bootstrap of whole dialogues, the same ones for all cells and seeds. Both: two-way clustering, "
            "t with Satterthwaite's degrees of freedom; with few seeds this interval may be the narrower one, as it "
            "rests less on their spread, which is then hardly known."
        )
    hidden = f" {left_out} cells not shown." if left_out else ""
    return (
        f"Study {study.plan.study}: standard errors of {metric} by their source{of}. The interval of seeds answers: "
        f"would another training differ on this test set? That of both answers: would it on another test set of such "
        f"dialogues? {how} Each interval holds by itself: not adjusted for the number of cells.{hidden}"
        f"{holes_sentence(study)}"
    )
