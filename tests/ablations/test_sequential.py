"""The stopping rule: its formula, its error rates, and that a decision is a function of the scores alone."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from ablations import sequential
from ablations.record import Metric, Plan, PlannedCell, SchemaError, Stopping
from ablations.sequential import Decision, Sample, Scores
from benchmarks.sequential import LEAST, MOST, by_e_value, by_peeking, simulate

DIFFERENCES = [0.3, -0.1, 0.5, 0.2, 0.4]


def sample(differences: list[float]) -> Sample:
    made = Sample()
    for difference in differences:
        made = made.plus(difference)
    return made


def plan(cells: int = 3, most: int = 12, sesoi: float | None = None, least: int = 3) -> Plan:
    names = ["base", *(f"c{i}" for i in range(1, cells))]
    planned = tuple(PlannedCell(name, name, {}, {}, "d") for name in names)
    metric = Metric("test/weighted_f1", "max", sesoi)
    return Plan("s", metric, "base", {}, planned, tuple(range(most)), "code", stopping=Stopping(least))


def scores(of: Plan, effects: dict[str, float], noise: float = 0.01) -> dict[str, float | None]:
    """The same noise of a seed and a cell, however many seeds and cells there are."""
    found: dict[str, float | None] = {}
    for key, (cell, seed) in of.run_keys().items():
        rng = np.random.default_rng([seed, *cell.cell_id.encode()])
        found[key] = 0.6 + effects.get(cell.cell_id, 0.0) + noise * float(rng.normal())
    return found


def decisions(of: Plan, known: Scores) -> dict[str, tuple[Decision, int]]:
    found = sequential.paths(of, known)
    return {path.cell.cell_id: (path.decision, path.wanted) for path in found}


@pytest.mark.parametrize("tau", [0.5, 1.0])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_e_value_is_the_bayes_factor_with_the_right_haar_prior(n: int, tau: float) -> None:
    x = np.array(DIFFERENCES[:n])

    def likelihood(delta: float, log_sigma: float) -> float:
        # d sigma / sigma is d log sigma
        return float(np.prod(stats.norm.pdf(x, delta * math.exp(log_sigma), math.exp(log_sigma))))

    def mixed(delta: float, log_sigma: float) -> float:
        return likelihood(delta, log_sigma) * math.exp(-((delta / tau) ** 2) / 2) / (tau * math.sqrt(2 * math.pi))

    some, _ = integrate.dblquad(mixed, -8, 8, -8 * tau, 8 * tau, epsrel=1e-5)
    none, _ = integrate.quad(lambda log_sigma: likelihood(0, log_sigma), -8, 8, epsrel=1e-8)
    assert sample(list(x)).e_value(tau) == pytest.approx(some / none, rel=1e-3)


def test_the_e_value_is_that_of_the_t_statistic() -> None:
    n, t = len(DIFFERENCES), stats.ttest_1samp(DIFFERENCES, 0).statistic
    g, nu = 1 + n, n - 1
    expected = g**-0.5 * ((1 + t**2 / nu) / (1 + t**2 / (g * nu))) ** ((nu + 1) / 2)
    assert sample(DIFFERENCES).e_value(1.0) == pytest.approx(expected)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 8, 0.2])
def test_the_interval_ends_where_the_e_value_reaches_the_threshold(alpha: float) -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 15)
    made = sample(differences.tolist())
    half = made.half_width(1.0, alpha)
    for end in (made.mean - half, made.mean + half):
        assert sample((differences - end).tolist()).e_value(1.0) == pytest.approx(1 / alpha)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=9), st.floats(0.01, 100))
def test_the_evidence_has_no_unit_and_no_sign(differences: list[float], scale: float) -> None:
    made = sample(differences)
    if made.square > 1e-6 and made.mean**2 > 1e-6:
        assert sample([-scale * d for d in differences]).e_value(1.0) == pytest.approx(made.e_value(1.0))


@pytest.mark.parametrize("differences", [[], [0.1], [0.0] * 9, [0.1] * 9, [0.3 - 0.2, 0.2 - 0.1, 0.1] * 3])
def test_without_variance_there_is_no_evidence_and_no_interval(differences: list[float]) -> None:
    assert sample(differences).e_value(1.0) == 1
    assert sample(differences).half_width(1.0, 0.05) == math.inf


def test_false_claims_keep_to_their_level_however_often_one_looks() -> None:
    """2,000 replicates of the benchmark give .018 and .015; the standard error here is .01."""
    assert by_e_value(simulate((0.0,), 500, 1), (0.0,)).false <= 0.05
    assert by_e_value(simulate((0.0,) * 8, 500, 1), (0.0,) * 8).false <= 0.05
    assert by_peeking(simulate((0.0,), 500, 1), (0.0,)).false > 0.2


def test_large_effects_are_found_after_few_seeds() -> None:
    found = by_e_value(simulate((2.0,), 300), (2.0,))
    assert found.power == 1
    assert found.seeds(null=False) == pytest.approx(7, abs=0.5)


def test_the_interval_has_the_true_mean_at_every_number_of_seeds() -> None:
    missed = 0
    for replicate in simulate((0.7,), 500, 2)[:, 0]:
        made = Sample()
        outside = False
        for n, difference in enumerate(3 * replicate, 1):
            made = made.plus(float(difference))
            outside |= n >= LEAST and abs(made.mean - 2.1) > made.half_width(1.0, 0.05)
        missed += outside
    assert missed / 500 <= 0.05


def test_no_data_can_decide_before_the_first_round() -> None:
    of = plan(cells=9, most=MOST)
    assert (sequential.threshold(of), sequential.first_round(of)) == (160, 7)
    clearest = [1.0, 1 + 1e-6, 1 - 1e-6, 1.0, 1.0, 1.0, 1.0]
    assert sample(clearest[:6]).e_value(1.0) < 160 <= sample(clearest).e_value(1.0)
    assert sequential.first_round(plan(cells=9, most=5)) == 5
    assert sequential.first_round(plan(cells=9, most=MOST, least=12)) == 12


def test_contrasts_are_decided_each_at_its_seed() -> None:
    of = plan(cells=4, most=30, sesoi=0.02)
    known = scores(of, {"c1": 0.1, "c2": -0.03})
    (better, first), (worse, later), (same, last) = decisions(of, known).values()
    assert (better, worse, same) == (Decision.BETTER, Decision.WORSE, Decision.EQUIVALENT)
    assert first == sequential.first_round(of) <= last
    assert first < later
    least = replace(of, metric=replace(of.metric, direction="min"))
    assert decisions(least, known)["c1"] == (Decision.WORSE, first)


def test_without_a_smallest_effect_of_interest_none_is_equivalent() -> None:
    of = plan()
    found = sequential.paths(of, scores(of, {"c1": 0.2}))
    assert [path.decision for path in found] == [Decision.BETTER, Decision.UNDECIDED]
    assert (found[1].wanted, found[1].waiting) == (12, False)
    assert all((look.e_value >= 40) == (not look.low < 0 < look.high) for path in found for look in path.looks)


@given(st.integers(0, 2**32))
def test_a_decision_does_not_change_with_what_else_has_run(seed: int) -> None:
    of = plan(sesoi=0.02)
    every = scores(of, {"c1": 0.03}, noise=0.02)
    final = {path.cell.cell_id: path for path in sequential.paths(of, every)}
    some = dict(random.Random(seed).sample(sorted(every.items()), k=seed % (len(every) + 1)))
    for path in sequential.paths(of, some):
        whole = final[path.cell.cell_id]
        assert path.looks == whole.looks[: len(path.looks)]
        assert path.waiting or path == whole
        assert path.wanted <= whole.wanted


def test_asking_for_what_is_needed_ends_with_the_same_decisions() -> None:
    of = plan(cells=4, most=20, sesoi=0.02)
    every = scores(of, {"c1": 0.1, "c2": 0.015})
    known: dict[str, float | None] = {}
    while wanted := sequential.needed(of, sequential.paths(of, known)) - known.keys():
        known |= {key: every[key] for key in wanted}
    assert sequential.paths(of, known) == sequential.paths(of, every)
    seeds = [path.wanted for path in sequential.paths(of, known)]
    assert len(known) == max(seeds) + sum(seeds) < len(every)


def test_a_run_without_a_score_gives_no_pair() -> None:
    of = plan(most=20)
    known = scores(of, {"c1": 0.1})
    whole = sequential.paths(of, known)[0]
    known[of.run_key(of.cells[0], 2)] = None
    path = sequential.paths(of, known)[0]
    assert (path.looks[-1].seeds, path.looks[-1].n) == (whole.wanted + 1, whole.wanted)
    assert path.decision is Decision.BETTER


def test_a_cell_without_any_score_is_given_up_after_the_first_round() -> None:
    of = plan(most=20)
    known = scores(of, {"c1": 0.1})
    known |= {of.run_key(of.cells[2], seed): None for seed in of.seeds}
    assert decisions(of, known)["c2"] == (Decision.UNDECIDED, sequential.first_round(of))


def test_the_rule_is_kept_with_the_plan_and_a_plan_without_one_is_as_before() -> None:
    of = plan()
    assert Plan.decode(of.encode()) == of
    fixed = replace(of, stopping=None)
    assert "stopping" not in fixed.encode()
    assert Plan.decode(fixed.encode()) == fixed
    with pytest.raises(SchemaError, match="looks first at 13 of 12 seeds"):
        replace(of, stopping=Stopping(13))
