"""What Optuna proposes: within the space, the same again after an interruption, and better with time."""

import math
from collections.abc import Sequence
from statistics import fmean

import pytest

from ablations.matrix import Range
from ablations.search import Point, Space
from runners.executors import Exploration, bayes
from runners.executors.inprocess import InProcess
from runners.planner import Pack

SPACE: Space = {
    "a": Range(low=1e-3, high=1.0, log=True),
    "b": Range(low=-1.0, high=2.0),
    "kind": ({"kind": "x"}, {"kind": "y", "gamma": 2}, 0.5),
}


def value(point: Point) -> float:
    """Best at a = .1, b = 1, kind y."""
    wrong_kind = point["kind"] != {"kind": "y", "gamma": 2}
    return -float(abs(math.log10(point["a"]) + 1) + abs(point["b"] - 1) + wrong_kind)


def explore(trials: int, known: Sequence[tuple[Point, float]] = ()) -> list[tuple[Point, float]]:
    """What is tried of a function that costs nothing."""
    tried: list[Point] = []

    def pack(point: Point) -> Pack:
        tried.append(point)
        return Pack(())

    InProcess().explore(Exploration(SPACE, known, trials, pack, lambda _: value(tried[-1])), lambda *_: None)
    return [(point, value(point)) for point in tried]


def test_points_are_in_the_space() -> None:
    for point, _ in explore(20):
        assert 1e-3 <= point["a"] <= 1
        assert -1 <= point["b"] <= 2
        assert point["kind"] in SPACE["kind"]


@pytest.mark.parametrize("at", [1, 5, 10, 17])
def test_a_search_that_goes_on_has_the_points_of_one_that_was_not_interrupted(at: int) -> None:
    whole = explore(25)
    assert explore(25 - at, whole[:at]) == whole[at:]
    assert len({str(point) for point, _ in whole}) == 25


def test_proposals_follow_the_scores() -> None:
    scores = [score for _, score in explore(60)]
    assert fmean(scores[-20:]) > fmean(scores[:20]) + 0.5


def test_trials_that_did_not_finish_keep_nobody_from_the_rest() -> None:
    """All scores are below 0; half of the kinds never finish."""
    tried = explore(30)
    known = [(point, -math.inf if point["kind"] == {"kind": "x"} else score) for point, score in tried]
    after = explore(30, known)
    finished = [point for point, _ in after if point["kind"] != {"kind": "x"}]
    assert len(finished) > 20


def test_points_are_the_same_to_optuna_and_back() -> None:
    point = {"a": 0.1 + 0.2, "b": 1.0, "kind": {"kind": "y", "gamma": 2}}
    assert bayes.decode(SPACE, bayes.encode(SPACE, point)) == point
