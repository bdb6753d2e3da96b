"""What a study will cost: by the runs in the store, or by a probe where there are none."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablations.record import Kind
from model.configuration import Configuration
from runners.ledger import Ledger
from runners.pace import Estimate
from runners.planner import Pack, RunSpec, Slots, make_packs

# Seconds of one run of a configuration on data of a digest, of so many in a pack, on a share of a device.
Probe = Callable[[Configuration, str, int, float], float]

START = 10.0  # seconds until the first run begins: processes are started, torch is imported, the store is opened


@dataclass(frozen=True)
class Costs:
    """Tells what runs will cost where they are to be run.

    Attributes:
        slots: where that is.
        probe: measures a run; None for no estimate without past runs.
    """

    slots: Slots
    probe: Probe | None = None

    def line(self, known: Ledger, runs: Sequence[RunSpec], baseline: str, kind: Kind = Kind.CELL) -> str:
        """Time of a run and of all, in words.

        Args:
            known: what the store has.
            runs: what will run, in order; what a search has still to propose by runs like them.
            baseline: id of the cell that is probed, if it is among them.
            kind: of the runs.
        """
        found = self.estimate(known, runs, baseline, kind)
        if isinstance(found, str):
            return f"cost: unknown{found}"
        jobs, total = self.slots.jobs, found.seconds * len(runs)
        gpu = f", {total * self.slots.share / 3600:.2g} GPU hours" if self.slots.gpu else ""
        with_ = f"{jobs} {'job' if jobs == 1 else 'jobs'}, the start included"
        about = _time(START + total / jobs)
        return f"cost: {found.seconds:.2g} s a run, about {about} with {with_}{gpu} (an estimate by {found.basis})"

    def estimate(self, known: Ledger, runs: Sequence[RunSpec], baseline: str, kind: Kind = Kind.CELL) -> Estimate | str:
        """What a run will cost, or why that is unknown; arguments as of ``line``."""
        past = known.seconds(kind)
        if past is not None:
            return Estimate(past, "the runs in the store")
        if not runs or self.probe is None:
            return " until the first runs of this study are in the store"
        spec = next((run for run in runs if run.cell_id == baseline), runs[0])
        size = _size(make_packs(runs, self.slots), spec)
        try:
            seconds = self.probe(spec.config, spec.data_digest, size, self.slots.share)
        except Exception as error:
            return f", as a probe of '{spec.name}' failed: {type(error).__name__}: {error}"
        pack = f" in a pack of {size}" if size > 1 else ""
        return Estimate(seconds, f"a probe: a few steps of {spec.name}{pack}")


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _size(packs: Sequence[Pack], spec: RunSpec) -> int:
    """Runs that are trained together with one: those of its pack with its seed, which the trial batches."""
    pack = next(pack for pack in packs if spec in pack.runs)
    return Counter(run.seed for run in pack.runs)[spec.seed]
