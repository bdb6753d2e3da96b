"""Lines of the page: their paths, their ticks, their gaps."""

import pandas as pd

from analysis.page import lines


def test_a_line_is_broken_where_there_is_no_number_and_has_the_range_of_the_seeds() -> None:
    rows = [("p", "s", epoch, value) for epoch, value in enumerate([1.0, 0.0, 10.0, 100.0]) for _ in range(2)]
    long = pd.DataFrame(rows, columns=["panel", "series", "x", "value"])
    drawn = lines.lines(lines.Words("n", "t", "a"), long, "log")
    assert drawn is not None
    line = drawn.panels[0].series[0]
    assert line.line.count("M") == 2
    assert line.line.startswith("M44.0 122.0h0M")
    assert line.line.endswith("L236.0 12.0")
    assert line.band == ""
    assert [text for _, text in drawn.y_ticks] == ["1", "10", "100"]
    long.loc[0, "value"] = 2.0
    ranged = lines.lines(lines.Words("n", "t", "a"), long, "log")
    assert ranged is not None
    assert ranged.panels[0].series[0].band.startswith("M")


def test_parts_of_a_whole_fill_the_plot() -> None:
    parts = pd.DataFrame({"first": [0.25, 0.5], "second": [0.75, 0.5]}, pd.MultiIndex.from_product([["p"], [0, 1]]))
    drawn = lines.stacked(lines.Words("n", "t", "a"), parts)
    assert drawn is not None
    first, second = drawn.panels[0].series
    assert first.band == "M44.0 96.5L236.0 67.0L236.0 126.0L44.0 126.0Z"
    assert second.line == "M44.0 8.0L236.0 8.0"
