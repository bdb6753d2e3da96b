"""The noise budget of a study by the runs that the store has of it."""

from collections.abc import Sequence

import numpy as np

from ablations.noise.budget import NoiseBudget, needs
from ablations.noise.counts import Counts, count, scorer
from ablations.noise.dialogues import resampled, sources, weights
from ablations.predictions import TypedPredictions
from ablations.record import PREDICTIONS_FILE, Outcome, Plan, SchemaError, Tag
from runners import ledger
from runners.ledger import Ledger

MOST_RUNS = 60  # 4 ms each to read and resample 600 dialogues: a dry run stays a matter of a second


def sentence(uri: str, plan: Plan, known: Ledger) -> str | None:
    """What the noise of a difference to the baseline consists of, and what would find the smallest effect of interest.

    Args:
        uri: absolute URI of the store.
        plan: what the study should hold.
        known: what the store has.

    Returns:
        None where the finished runs do not tell: their metric is no function of counts by dialogue, there are not two
        seeds of the baseline and another cell, or their predictions are gone.

    Raises:
        StoreError: the store cannot be read.
    """
    budget = _budget(uri, plan, known)
    return needs(budget, plan.metric.sesoi, len(plan.seeds), len(plan.cells) - 1) if budget else None


def _budget(uri: str, plan: Plan, known: Ledger) -> NoiseBudget | None:
    """The mean of the variances over the cells, as in the report's table ``noise``; of some cells in a large study."""
    score = scorer(plan.metric.name)
    chosen = _chosen(plan, known) if score else {}
    try:
        counts = {cell: _counts(uri, run_ids) for cell, run_ids in chosen.items()}
    except SchemaError:
        return None
    runs = [one for of_cell in counts.values() for one in of_cell]
    complete = len(runs) == sum(map(len, chosen.values())) and all(one.alike(runs[0]) for one in runs)
    dialogues = len(runs[0].dialogues) if runs else 0
    if score is None or not complete or dialogues < 2:
        return None

    # The first row is the test set itself, the others are resamples of it.
    weight = np.vstack([np.ones(dialogues), weights(dialogues)])
    scores = {cell: resampled(np.stack([one.values for one in ones]), weight, score) for cell, ones in counts.items()}
    baseline = scores.pop(plan.baseline)
    parts = [sources(some[0] - baseline[0], some[1:] - baseline[1:], dialogues) for some in scores.values()]
    seeds = baseline.shape[1]
    total = seeds * float(np.mean([part.seeds**2 for part in parts]))
    test = seeds * float(np.mean([part.interaction**2 for part in parts]))
    return NoiseBudget(total, test, dialogues) if total > 0 else None


def _counts(uri: str, run_ids: Sequence[str]) -> list[Counts]:
    files = ledger.files(uri, run_ids, PREDICTIONS_FILE)
    return [count(TypedPredictions.decode(content, probability=False)) for content in files]


def _chosen(plan: Plan, known: Ledger) -> dict[str, list[str]]:
    """Runs of the baseline and of cells that have all its finished seeds, spread over the plan; by cell, by seed."""
    finished = {
        run.tags[Tag.RUN_KEY]: run.run_id for run in known.complete() if run.tags[Tag.OUTCOME] == Outcome.FINISHED
    }
    runs: dict[str, dict[int, str]] = {cell.cell_id: {} for cell in plan.cells}
    for key, (cell, seed) in plan.run_keys().items():
        if key in finished:
            runs[cell.cell_id][seed] = finished[key]
    seeds = list(runs[plan.baseline])
    complete = [cell for cell, there in runs.items() if cell != plan.baseline and there.keys() >= set(seeds)]
    if len(seeds) < 2 or not complete:
        return {}
    most = max(1, MOST_RUNS // len(seeds) - 1)
    places = np.unique(np.linspace(0, len(complete) - 1, most).round().astype(int))
    return {cell: [runs[cell][seed] for seed in seeds] for cell in (plan.baseline, *(complete[i] for i in places))}
