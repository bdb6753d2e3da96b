"""Tables of cells over data sets: scores and ranks, and every pair of cells."""

from collections.abc import Sequence

import pandas as pd

from analysis.blocks import Blocks
from analysis.statistics.ranks import critical_difference, friedman, nemenyi
from analysis.tables import ALPHA, Table, interval, number, p_value

FEW = 5


def side_by_side_table(compared: Blocks, ranked: pd.DataFrame, warnings: Sequence[str] = ()) -> Table:
    """A row for each cell, best mean rank first: mean, interval and rank on each data set, and the mean rank.

    Args:
        compared: cells by data set.
        ranked: ranks (data sets, cells).
        warnings: what is missing of the studies.
    """
    average = ranked.mean().sort_values(kind="stable")
    numbers = pd.DataFrame(index=pd.Index(average.index, name="cell"))
    readable = pd.DataFrame({"cell": list(average.index)})
    for dataset, here in compared.numbers.groupby("dataset", sort=False):
        rows = here.set_index("name").loc[average.index].assign(rank=ranked.T[dataset])
        numbers = numbers.join(rows[["n", "mean", "low", "high", "rank"]].add_prefix(f"{dataset}: "))
        readable[dataset] = [
            f"{number(row['mean'])} {interval(row['low'], row['high'])} ({row['rank']:g})" for _, row in rows.iterrows()
        ]
    numbers["mean rank"] = average
    readable["mean rank"] = [number(value, ".2f") for value in average]
    return Table("across", numbers, readable, _caption(compared, ranked, warnings))


def _caption(compared: Blocks, ranked: pd.DataFrame, warnings: Sequence[str]) -> str:
    test, (sets, k) = friedman(ranked), ranked.shape
    better = "larger" if compared.metric.direction == "max" else "smaller"
    missing = f" INCOMPLETE: {'; '.join(warnings)}" if warnings else ""
    return (
        f"{compared.metric.name} ({better} is better) of {k} cells on {sets} data sets: mean over seeds with 95 % t "
        f"interval, and rank. Data sets are the blocks, not seeds. Friedman's test (Demsar 2006): chi squared "
        f"({test.df}) = {number(test.statistic, '.2f')}, p = {p_value(test.p)}; by permutations within data sets p = "
        f"{p_value(test.p_permutation)}.{_few(ranked)}{missing}"
    )


def _few(ranked: pd.DataFrame) -> str:
    """What so few data sets cannot show."""
    sets, k = ranked.shape
    agreed = pd.DataFrame([range(1, k + 1)] * sets)
    extreme = float(nemenyi(agreed).to_numpy()[0, -1])
    weak = f" WITH FEWER THAN {FEW} DATA SETS THESE TESTS CAN HARDLY REJECT:" if sets < FEW else ""
    return (
        f"{weak} If all {sets} data sets agreed on one order, p would be {p_value(friedman(agreed).p_least)} "
        f"(Friedman, permutations), and {p_value(extreme)} for the first against the last cell (Nemenyi)."
    )


def pairs_table(compared: Blocks, ranked: pd.DataFrame) -> Table:
    """P-values of all pairs of cells, best mean rank first."""
    order = ranked.mean().sort_values(kind="stable").index
    p, (sets, k) = nemenyi(ranked[order]), ranked.shape
    readable = p.map(p_value)
    for place in range(k):
        readable.iloc[place, place] = ""
    readable.insert(0, "cell", list(order))
    caption = (
        f"{compared.metric.name}: p-values of Nemenyi's test of mean ranks on {sets} data sets, adjusted for all "
        f"{k * (k - 1) // 2} pairs. At {ALPHA:g}, mean ranks differ from {number(critical_difference(k, sets), '.2f')} "
        f"apart.{_few(ranked)}"
    )
    return Table("pairs", p.rename_axis("cell"), readable, caption)
