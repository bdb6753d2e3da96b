"""The plan of a study, printed before anything starts."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from ablations import sequential
from ablations.record import Kind, Plan, Tag
from ablations.study import Study
from ablations.words import marked, reference, size_of
from runners import ledger, noise, rounds, search
from runners.cost import Costs
from runners.ledger import Ledger
from runners.planner import RunSpec, make_packs, missing_runs
from runners.search import Trials
from runners.selection import EVERYTHING, Selection


def print_state(
    console: Console, uri: str, study: Study, plan: Plan, costs: Costs, selection: Selection = EVERYTHING
) -> None:
    """What the store has of a study and what will run; of a search, the plan only when the winner is known.

    Args:
        console: where to print.
        uri: absolute URI of the store.
        study: the resolved matrix.
        plan: what the study should hold; of a search, as long as the winner is not known.
        costs: of what is to be run, and where.
        selection: of the runs.

    Raises:
        MatrixError: the selection fits no run.
        StoreError: the store cannot be read.
    """
    selection.check(study, plan)
    for note in study.notes:
        print_line(console, f"design: {note}")
    known = ledger.read(uri, plan.study)
    if study.search:
        trials = search.read(uri, study, plan)
        print_search(console, trials, study, known, costs)
        winner = trials.winner() if trials.complete else None
        if winner is None:
            return
        study, plan = search.decided(study, plan, winner)
    if plan.stopping is None or selection.given:
        print_plan(console, plan, known, selection.runs(study, plan, known), costs)
        if len(plan.cells) > 1:
            values = ledger.metric(uri, plan.study, plan.metric.name)
            found = ((run.tags[Tag.RUN_KEY], run.run_id) for run in known.complete())
            print_line(console, detectable(plan, {key: values[run] for key, run in found if run in values}))
            if budget := noise.sentence(uri, plan, known):
                print_line(console, f"noise: {budget}")
        return
    state = rounds.read(uri, study, plan, costs.slots.jobs)
    print_plan(console, plan, known, state.runs, costs)
    lines = [
        f"then, until decided: up to {state.most - len(state.runs)} runs more",
        f"{state.verdict()}; no data can decide before {sequential.first_round(plan)} seeds",
    ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def print_plan(console: Console, plan: Plan, known: Ledger, runs: Sequence[RunSpec], costs: Costs) -> None:
    """Every cell with its state for each seed, and what will run.

    Args:
        console: where to print.
        plan: what the study should hold.
        known: what the store has.
        runs: what is missing, in order.
        costs: of what is to be run, and where.
    """
    missing = {run.run_key for run in runs}
    done = plan.run_keys().keys() & known.done()
    table = Table(box=None, header_style="bold", pad_edge=False)
    longest = max(len(cell.name) for cell in plan.cells)
    table.add_column("cell", overflow="fold", min_width=min(longest, console.width // 2))  # before the id is folded
    table.add_column("id", overflow="fold")
    table.add_column("seeds", overflow="fold")
    for cell in plan.cells:
        keys = {seed: plan.run_key(cell, seed) for seed in plan.seeds}
        marks = " ".join(_mark(seed, key in missing) for seed, key in keys.items() if key in missing | done)
        name = marked(cell.name, ["baseline"] if cell.cell_id == plan.baseline else [])
        table.add_row(name, cell.cell_id, marks)
    console.print(table, markup=False, highlight=False)
    packs = make_packs(runs, costs.slots)
    most = max((len(pack.runs) for pack in packs), default=0)
    lines = [
        f"study {plan.study}: {size_of(plan)}, compared on {plan.metric.name} ({plan.metric.direction})",
        *([f"baseline: {words}"] if (words := reference(plan)) else []),
        f"in the store: {len(done)} done, {len(known.failed(plan))} failed (run again), {len(known.stale(plan))} stale "
        f"(made by other code or data: run again)",
        f"to run: {len(runs)} runs in {len(packs)} packs of up to {most}; a seed in brackets is missing",
        *([costs.line(known, runs, plan.baseline)] if runs else []),
    ]
    console.print("\n" + "\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def print_line(console: Console, text: str) -> None:
    """Whole, however long."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def detectable(plan: Plan, scores: Mapping[str, float]) -> str:
    """What difference the seeds of a plan are enough for.

    Args:
        plan: what the study should hold.
        scores: of the runs that are there, by key; those of cells with all of the first seeds tell the noise.
    """
    from ablations import power

    rows = [[scores.get(plan.run_key(cell, seed), math.nan) for seed in plan.seeds] for cell in plan.cells]
    grid = np.array(rows)
    grid = grid[:, np.isfinite(grid).any(0)]
    grid = grid[np.isfinite(grid).all(1)]
    sd, seeds, others = power.noise(grid) if grid.size else None, len(plan.seeds), len(plan.cells) - 1
    if seeds < 2:
        return "can detect: nothing, one seed tells no noise; 5 seeds to explore, 10 to claim, 20 for equivalence"
    # Scores that agree exactly leave a residual of rounding errors, which is no noise.
    known = sd is not None and sd > 1e-9 * np.abs(grid).max()
    least = power.detectable(sd if sd and known else 1.0, seeds, others)
    size = f"{least:.3g} (noise {sd:.3g} by the runs in the store)" if known else f"{least:.1f} x the noise of a run"
    agree = "" if known or sd is None else "; the runs in the store agree, so they do not tell the noise"
    return (
        f"can detect: with 80 % power a difference of {size} to the baseline, with {seeds} seeds and {others} "
        f"comparisons{agree}"
    )


def print_search(console: Console, trials: Trials, study: Study, known: Ledger, costs: Costs) -> None:
    """How far a search is; the plan of the study follows when the winner is known.

    Args:
        console: where to print.
        trials: of the search, as far as the store has them.
        study: the resolved matrix.
        known: what the store has.
        costs: of what is to be run, and where.
    """
    config, begun, seeds = trials.search.config, len(trials.plan.cells), len(trials.plan.seeds)
    runs = len(trials.missing) + trials.wanted * seeds
    total = begun + trials.wanted
    lines = [
        f"search {trials.plan.study}: {config.method}, {total} trials x {seeds} seeds = {total * seeds} runs, "
        f"chosen on {config.metric} (max)",
        f"in the store: {trials.ended()} trials complete, {total - trials.ended()} missing",
    ]
    if trials.complete:
        lines += [trials.verdict(), ""]
    else:
        lines += [
            f"to run: {runs} runs, then the baseline and the winner with {len(study.seeds)} fresh seeds",
            costs.line(known, _like(trials, runs), trials.plan.baseline, Kind.SEARCH),
        ]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _mark(seed: int, missing: bool) -> str:
    return f"[{seed}]" if missing else f"{seed}"


def _like(trials: Trials, runs: int) -> list[RunSpec]:
    """The runs of a search; in place of those that are to be proposed the baseline's, each of which runs alone."""
    proposed = missing_runs(trials.study, trials.plan, trials.plan.run_keys().keys() - _of_baseline(trials))
    return [*trials.missing, *itertools.islice(itertools.cycle(proposed), runs - len(trials.missing))]


def _of_baseline(trials: Trials) -> set[str]:
    keys = trials.plan.run_keys().items()
    return {key for key, (cell, _) in keys if cell.cell_id == trials.plan.baseline}
