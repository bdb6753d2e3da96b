"""The same cells on several data sets: of several studies, or of one whose factors vary the data."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ablations.record import Metric
from ablations.words import BASELINE_NAME
from analysis.data_factors import SAME_DATA, data_factors
from analysis.runs import StudyError, StudyRuns
from analysis.statistics.intervals import means


@dataclass(frozen=True)
class Blocks:
    """Cells by data set.

    Attributes:
        metric: what is compared.
        numbers: a row for each data set and shared cell: ``dataset``, ``name``, ``n``, ``mean``, ``sd``, ``low``,
            ``high``.
        left_out: names of the cells that some data set does not have, or where no run of it finished.
    """

    metric: Metric
    numbers: pd.DataFrame
    left_out: tuple[str, ...]

    @property
    def means(self) -> pd.DataFrame:
        """A row for each data set, a column for each cell, both in order of appearance."""
        wide = self.numbers.pivot(index="dataset", columns="name", values="mean")
        return wide.reindex(self.numbers["dataset"].unique(), columns=self.numbers["name"].unique())


def blocks(studies: Sequence[StudyRuns], data: Sequence[str] = ()) -> Blocks:
    """Put the data sets side by side. Cells are matched by name, or by the levels of the factors that are not data.

    Args:
        studies: what is put side by side.
        data: factors whose levels are the data sets, by path or short name; none for all with which the data change.

    Raises:
        StudyError: there are not two data sets, two cells, one metric and one baseline in common; the message lists
            what there is.
    """
    metric = _one_metric(studies)
    _require_one_baseline(studies)
    parts = pd.concat([_of_study(study, data, several=len(studies) > 1) for study in studies], ignore_index=True)
    _require_data_sets(parts, studies)
    rows = [
        means(here["score"], here["name"]).rename_axis("name").reset_index().assign(dataset=dataset)
        for dataset, here in parts.groupby("dataset", sort=False)
    ]
    numbers = pd.concat(rows, ignore_index=True)
    there = numbers.dropna(subset=["mean"]).groupby("name", sort=False)["dataset"].nunique()
    shared = list(there.index[there == numbers["dataset"].nunique()])
    if len(shared) < 2:
        raise StudyError(
            f"fewer than two cells have results on every data set (shared: {', '.join(shared) or 'none'}); matched by "
            f"name, there are\n{_listed(numbers.dropna(subset=['mean']))}"
        )
    left_out = tuple(name for name in numbers["name"].unique() if name not in shared)
    return Blocks(metric, numbers[numbers["name"].isin(shared)].reset_index(drop=True), left_out)


def _one_metric(studies: Sequence[StudyRuns]) -> Metric:
    metrics = {study.plan.study: f"{study.plan.metric.name} ({study.plan.metric.direction})" for study in studies}
    if len(set(metrics.values())) > 1:
        listed = "\n".join(f"  {study}: {metric}" for study, metric in metrics.items())
        raise StudyError(f"the studies are not compared on one metric:\n{listed}")
    return studies[0].plan.metric


def _require_one_baseline(studies: Sequence[StudyRuns]) -> None:
    """Cells named by what differs from their study's baseline are matched: the baselines have the same levels."""
    levels: dict[str, dict[str, str]] = {}
    for study in studies:
        baseline = next(cell for cell in study.plan.cells if cell.cell_id == study.plan.baseline)
        if baseline.name == BASELINE_NAME:
            for path, level in baseline.levels.items():
                levels.setdefault(path, {})[study.plan.study] = level
    for path, found in levels.items():
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{level} in {study}" for study, level in found.items())
            raise StudyError(
                f"the studies have different baselines ({path}: {listed}), from which their cells are named; give them "
                f"one baseline"
            )


def _of_study(study: StudyRuns, data: Sequence[str], *, several: bool) -> pd.DataFrame:
    """A row for each run: ``dataset``, ``name`` of the cell without its data, ``digest`` of the data, ``score``."""
    factors = study.plan.factors
    of_data = [_factor(study, name) for name in data] or data_factors(study.plan)
    rows = {}
    for cell in study.plan.cells:
        levels = [f"{factors[path]}={cell.levels[path]}" for path in of_data]
        others = [f"{short}={cell.levels[path]}" for path, short in factors.items() if path not in of_data]
        dataset = " ".join([study.plan.study, *levels] if several or not levels else levels)
        rows[cell.cell_id] = {
            "dataset": dataset,
            "name": " ".join(others) if of_data else cell.name,
            "digest": cell.data_digest,
        }
    known = pd.DataFrame.from_dict(rows, orient="index")
    return pd.DataFrame({"cell": study.frame["cell"], "score": study.score}).join(known, on="cell")


def _factor(study: StudyRuns, name: str) -> str:
    found = [path for path, short in study.plan.factors.items() if name in (path, short)]
    if not found:
        known = ", ".join(study.plan.factors) or "none"
        raise StudyError(f"the study '{study.plan.study}' has no factor '{name}'; its factors: {known}")
    return found[0]


def _require_data_sets(parts: pd.DataFrame, studies: Sequence[StudyRuns]) -> None:
    names = list(parts["dataset"].unique())
    if len(names) < 2:
        factors = ", ".join(studies[0].plan.factors) or "none"
        raise StudyError(
            f"one data set only: '{names[0]}'; name several studies with --studies A,B,C, or one with a factor that "
            f"chooses the data, other than {SAME_DATA} (its factors: {factors})"
        )
    sets = parts.groupby("digest", sort=False)["dataset"].unique()
    twice = next((found for found in sets if len(found) > 1), None)
    if twice is not None:
        raise StudyError(
            f"{' and '.join(f'{name!r}' for name in twice)} are on the same data (equal digest): as blocks they would "
            f"count it twice; leave one out"
        )


def _listed(numbers: pd.DataFrame) -> str:
    return "\n".join(
        f"  {dataset}: {', '.join(here['name'])}" for dataset, here in numbers.groupby("dataset", sort=False)
    )
