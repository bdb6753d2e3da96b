"""The picture of the live view: the study `loss` as it was when so many of its runs were done.

python -m benchmarks.live_view sqlite:///mlruns/mlflow.db docs/images/live.svg
"""

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from ablations.record import Tag
from ablations.study import load
from runners import ledger, planner, store
from runners.live import LiveState, Mark
from runners.pace import Pace
from runners.screen import Frame, draw, pace_of

DONE, BEGUN, SECONDS, WIDTH, HEIGHT = 226, 256, 101.0, 80, 24
COLOURS = ["282a36", "ff6e67", "5acd78", "e6c85a", "6ea0fa", "dc82e6", "78d2dc", "c8ccd4"]
THEME = TerminalTheme((28, 30, 38), (214, 216, 222), [(*bytes.fromhex(colour),) for colour in COLOURS])
# Fonts that are there, and no address of others.
FORMAT = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<style>
.live-matrix {{ font-family: ui-monospace, Menlo, "DejaVu Sans Mono", monospace; font-size: {char_height}px; }}
{styles}
</style>
<rect width="{width}" height="{height}" rx="8" fill="#1c1e26"/>
<g transform="translate(9, 10)" class="live-matrix">
{backgrounds}{matrix}
</g>
</svg>
"""


def state(uri: str) -> LiveState:
    """Of the study, when its first runs were done."""
    study = load(Path("ablations/loss.yaml"))
    plan = planner.make_plan(study)
    known = ledger.read(uri, plan.study)
    scores = ledger.metric(uri, plan.study, plan.metric.name)
    score = {run.tags[Tag.RUN_KEY]: scores[run.run_id] for run in known.complete()}
    runs = planner.missing_runs(study, plan, set())
    found = LiveState(plan)
    found.wants(runs)
    found.begins(runs[:BEGUN])
    for run in runs[:DONE]:
        found.stored(run.cell_id, run.seed, Mark.FINISHED, score[run.run_key])
    return found


def main(uri: str, out: str) -> None:
    """Write it."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    found = state(store.absolute(uri))
    console.print(draw(found, pace_of(found, Pace(2), SECONDS, SECONDS), Frame(WIDTH, HEIGHT)))
    code = FORMAT.replace("{width}", str(round(12.2 * WIDTH) + 20)).replace("{height}", str(round(24.4 * HEIGHT) + 24))
    svg = console.export_svg(theme=THEME, code_format=code, unique_id="live")
    Path(out).write_text(re.sub(r' clip-path="[^"]*"', "", svg))


if __name__ == "__main__":
    main(*sys.argv[1:])
