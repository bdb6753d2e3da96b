"""How an interval is written."""

MOST_DIGITS = 6
ROUNDING = 1e-9  # below it an end is 0 but for the rounding of its sums


def bounds(low: float, high: float, sign: bool = False, digits: int = 3) -> str:
    """``[low, high]`` with as many digits as it takes to see on which side of 0 an end lies.

    With three digits -0.0004 is 0.000, and the interval of a difference with p < .05 would seem to contain 0.

    Args:
        low: lower end.
        high: upper end.
        sign: whether positive numbers have one.
        digits: after the point, at least.
    """
    while digits < MOST_DIGITS and any(abs(end) > ROUNDING and not round(end, digits) for end in (low, high)):
        digits += 1
    spec = f"{'+z' if sign else 'z'}.{digits}f"
    return f"[{low:{spec}}, {high:{spec}}]"
