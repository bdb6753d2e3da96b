"""Draws a study as far as it is, in the width and height of a terminal."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from ablations.words import marked
from runners.live import LiveState, Mark, Status
from runners.pace import Pace

WORDS = {
    Mark.WAITING: "waiting", Mark.BEGUN: "begun", Mark.FINISHED: "finished", Mark.STORED: "in the store before",
    Mark.DIVERGED: "diverged", Mark.FAILED: "failed",
}  # fmt: skip
STYLES = {
    Mark.BLANK: "", Mark.WAITING: "dim", Mark.BEGUN: "bold yellow", Mark.FINISHED: "green", Mark.STORED: "blue",
    Mark.DIVERGED: "bold magenta", Mark.FAILED: "bold red",
}  # fmt: skip
PART = 7  # of a column for several seeds: some are complete
GLYPHS, ASCII = " ·▸█○!✗▒", " .>#o!x%"
NAME = 16  # least columns for the name of a cell
ERRORS = 3  # that are listed
LEAST_ROWS = 3


@dataclass(frozen=True)
class Frame:
    """Where it is drawn: columns and lines of the screen, and whether it has ASCII alone."""

    width: int
    height: int
    ascii: bool = False

    @property
    def glyphs(self) -> str:
        """One for each mark."""
        return ASCII if self.ascii else GLYPHS


def draw(state: LiveState, pace: str, frame: Frame, failures: bool = True) -> Text:
    """The state as lines, none of them longer and all of them not more than the screen has.

    Args:
        state: of the study.
        pace: rate and time left in words.
        frame: where it is drawn.
        failures: whether these are listed.
    """
    above = [_bar(state, frame), *_legend(state, frame), *_wrapped(Text(pace), frame)]
    above += _best(state, frame)
    below = list(_failures(state, frame)) if failures else []
    narrow = frame.width < 60
    room = frame.height - len(above) - 3 - narrow  # an empty line, the names of the columns, the cells not shown
    below = below[: max(0, room - LEAST_ROWS)]
    grid = list(_grid(state, frame, max(1, room - len(below)))) if state.width and room > 0 else []
    lines = [*above, *([Text()] if grid else []), *grid, *below]
    return Text("\n", no_wrap=True, overflow="crop").join(lines[: frame.height])


def pace_of(state: LiveState, pace: Pace, seconds: float, now: float) -> str:
    """Rate and time left in words.

    Args:
        state: of the study.
        pace: of its runs.
        seconds: since the view began.
        now: of the clock by which runs began.
    """
    done, left = state.done - state.before, state.total - state.done
    rate, rest = pace.rate(done, seconds, now), pace.left(done, left, seconds, now)
    words = [f"{60 * rate:.0f} runs/min" if 60 * rate >= 10 else f"{60 * rate:.1f} runs/min"] if rate else []
    if left:
        by = f" by {pace.estimate.basis.partition(':')[0]}" if pace.estimate and not pace.ended else ""
        words += ["no rate yet" if rest is None else f"about {duration(rest)} left{by}"]
    words += [f"{duration(seconds)} so far"]
    words += [f"{state.others} by other drivers"] if state.others else []
    return ", ".join(words)


def duration(seconds: float) -> str:
    """In two units."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if seconds < 600:
        return f"{seconds / 60:.1f} min"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def shortened(text: str, width: int) -> str:
    """In at most so many columns: cells differ most at the end of their names, and studies at the beginning."""
    if cell_len(text) <= width:
        return text
    end = (width - 1) // 2
    tail = set_cell_size(text[::-1], end)[::-1]
    return f"{set_cell_size(text, width - 1 - end)}…{tail}"


def _bar(state: LiveState, frame: Frame) -> Text:
    share = state.done / state.total if state.total else 1.0
    counts = f"{state.done}/{state.total} runs, {math.floor(100 * share)} %"
    name = shortened(state.plan.study, max(NAME, frame.width // 3))
    room = min(60, frame.width - cell_len(name) - len(counts) - 4)
    full = math.floor(share * max(0, room))
    done, left = ("=", "-") if frame.ascii else ("━", "╌")
    text = Text.assemble((name, "bold"), "  ")
    if room >= 4:
        text.append(done * full, "green").append(left * (room - full), "dim").append("  ")
    return text.append(counts)


def _legend(state: LiveState, frame: Frame) -> list[Text]:
    """How many runs are in each state that there is, no entry broken over lines."""
    lines: list[Text] = []
    for mark, word in WORDS.items():
        if count := state.count(mark):
            part = Text.assemble((frame.glyphs[mark], STYLES[mark]), f" {count} {word}")
            if lines and lines[-1].cell_len + 3 + part.cell_len <= frame.width:
                lines[-1].append("   ").append_text(part)
            else:
                lines.append(part)
    return lines


def _best(state: LiveState, frame: Frame) -> list[Text]:
    best, metric, baseline = state.leader.best(), state.plan.metric, state.names[state.baseline]
    if len(state.names) < 2:
        return []
    if best is None:
        return _wrapped(Text("best so far: not before a cell and the baseline have 2 seeds in common"), frame)
    lower = ", lower is better" if metric.direction == "min" else ""
    count = state.diverged_of(best.row)
    diverged = f", {count} of its runs diverged" if count else ""
    ahead = best.difference > 0 if metric.direction == "max" else best.difference < 0
    title = "best so far: " if ahead else "none is ahead of the baseline so far, the closest is: "
    text = Text.assemble(
        title, (shortened(state.names[best.row], frame.width - len(title)), "bold"), "\n",
        (f"  {best.difference:+.4f} [{best.low:+.4f}, {best.high:+.4f}]".replace("-", "−"), "bold"),
        f" in {metric.name}{lower} to {shortened(baseline, max(NAME, frame.width // 3))}\n",
        f"  mean and 95 % t interval over {best.n} seeds that both have{diverged}; so far, not adjusted",
    )  # fmt: skip
    return _wrapped(Text(text.plain.replace("−", "-"), spans=text.spans) if frame.ascii else text, frame)


def _failures(state: LiveState, frame: Frame) -> Iterator[Text]:
    found = list(state.failures.values())
    for failure in found[:ERRORS]:
        first = f", the first is {failure.name}" if failure.count > 1 else f": {failure.name}"
        text = f"{frame.glyphs[Mark.FAILED]} {failure.count} failed{first}: {failure.error}"
        yield from _wrapped(Text(text, style="red"), frame)[:3]
        if failure.repeat:
            yield from _wrapped(Text(f"  to repeat it alone: {failure.repeat}"), frame)
    if len(found) > ERRORS:
        yield Text(f"and {len(found) - ERRORS} more errors")


def _grid(state: LiveState, frame: Frame, room: int) -> Iterator[Text]:
    """The names of the columns, a line for each cell that there is room for, and how many more there are."""
    rows = state.shown(room)
    label = {row: marked(state.names[row], ["baseline"] if row == state.baseline else []) for row in rows}
    texts = _numbers([state.of_cell(row) for row in rows])
    right = len(texts[0])
    wanted = min(max(4, *(cell_len(name) for name in label.values())), frame.width // 2)
    columns = _Columns(state, frame.width - wanted - right - 4)
    name = min(frame.width - columns.width - right - 4, max(4, *(cell_len(name) for name in label.values())))
    yield Text(f"{'cell':{name}}  {columns.heading()}  {texts[0]}".rstrip(), style="bold")
    for row, text in zip(rows, texts[1:], strict=True):
        marks = columns.marks(state.row(row), frame)
        yield Text.assemble(set_cell_size(shortened(label[row], name), name), "  ", marks, "  ", text)
    if len(rows) < len(state.names):
        yield from _wrapped(Text(_more(state, rows)), frame)


def _numbers(cells: Sequence[tuple[int, int, float | None]]) -> list[str]:
    """How much of each cell is done and its mean, after the names of these columns."""
    done = ["done", *(f"{complete}/{planned}" for complete, planned, _ in cells)]
    means = ["mean", *("" if mean is None else f"{mean:.3f}" for _, _, mean in cells)]
    widths = max(map(len, done)), max(map(len, means))
    return [f"{left:>{widths[0]}}  {right:>{widths[1]}}" for left, right in zip(done, means, strict=True)]


def _more(state: LiveState, rows: Sequence[int]) -> str:
    """The cells that are not shown."""
    shown = [state.status(row) for row in rows]
    counts = ((status, state.tally[status] - shown.count(status)) for status in Status)
    parts = ", ".join(f"{count} {status}" for status, count in counts if count > 0)
    more = len(state.names) - len(rows)
    return f"and {more} more cell{'s' if more > 1 else ''}: {parts}"


class _Columns:
    """The seeds in the columns that there are: each with its number, or one beside the other, or several in one."""

    def __init__(self, state: LiveState, room: int) -> None:
        self.seeds = state.plan.seeds[: state.width]
        longest = max(len(str(seed)) for seed in self.seeds) + 1
        self.pitch = next((pitch for pitch in (longest, 2, 1) if len(self.seeds) * pitch - 1 <= room), 1)
        self.named = self.pitch == longest
        self.each = max(1, math.ceil(len(self.seeds) * self.pitch / max(1, room + (self.pitch > 1))))
        self.count = math.ceil(len(self.seeds) / self.each)
        several = f", {self.each} a column" if self.each > 1 else ""
        ends = f"{self.seeds[0]}..{self.seeds[-1]}" if len(self.seeds) > 1 else str(self.seeds[0])
        self.title = " ".join(f"{seed:<{longest - 1}}" for seed in self.seeds) if self.named else f"{ends}{several}"
        self.width = max(self.count * self.pitch - (self.pitch > 1), len(self.title))

    def heading(self) -> str:
        """Which seeds these are."""
        return f"{self.title:{self.width}}"

    def marks(self, row: bytes, frame: Frame) -> Text:
        """Of a cell, in the width of all columns."""
        found = [_together(row[i : i + self.each]) for i in range(0, len(row), self.each)]
        text = Text()
        for mark, group in itertools.groupby(found):
            text.append(frame.glyphs[mark].ljust(self.pitch) * len(list(group)), STYLES[_styled(mark)])
        text.truncate(self.width, pad=True)
        return text


def _together(marks: bytes) -> int:
    """The mark of several runs: what needs a look first."""
    found = set(marks)
    for mark in (Mark.FAILED, Mark.DIVERGED, Mark.BEGUN):
        if mark in found:
            return mark
    if found <= {Mark.FINISHED, Mark.STORED, Mark.BLANK} and found != {Mark.BLANK}:
        return Mark.FINISHED if Mark.FINISHED in found else Mark.STORED
    return PART if found & {Mark.FINISHED, Mark.STORED} else max(found)


def _styled(mark: int) -> Mark:
    return Mark.FINISHED if mark == PART else Mark(mark)


def _wrapped(text: Text, frame: Frame) -> list[Text]:
    console = Console(width=frame.width, color_system=None)
    lines: Iterable[Text] = text.wrap(console, frame.width, overflow="fold")
    found = list(lines)
    for line in found:
        line.rstrip()
    return found
