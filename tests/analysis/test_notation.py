"""An interval is written with so many digits that one sees on which side of 0 its ends lie."""

import math

import pytest

from analysis.statistics.notation import bounds
from analysis.tables import interval


@pytest.mark.parametrize(
    ("ends", "sign", "text"),
    [
        ((-0.0071, -0.0002), True, "[-0.0071, -0.0002]"),
        ((0.0002, 0.0071), False, "[0.0002, 0.0071]"),
        ((-0.00004, 0.0071), True, "[-0.00004, +0.00710]"),
        ((0.0, 0.0071), False, "[0.000, 0.007]"),
        ((-0.0071, 0.0), True, "[-0.007, +0.000]"),
        ((0.0004, 0.002), False, "[0.0004, 0.0020]"),
        ((-1e-12, 0.01), True, "[+0.000, +0.010]"),
        ((-1e-8, 0.01), True, "[+0.000000, +0.010000]"),
        ((math.nan, 0.01), False, "[nan, 0.010]"),
        ((-math.inf, math.inf), True, "[-inf, +inf]"),
    ],
)
def test_the_side_of_zero_is_seen(ends: tuple[float, float], sign: bool, text: str) -> None:
    assert bounds(*ends, sign) == text


def test_tables_use_it_with_their_digits() -> None:
    assert interval(0.2, 0.4) == "[0.200, 0.400]"
    assert interval(-0.004, 0.4, "+z.2f") == "[-0.004, +0.400]"
    assert interval(math.nan, math.nan) == "–"
