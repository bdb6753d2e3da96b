"""On what terms runs are run."""

import shlex
from dataclasses import dataclass, field

from runners.claims import Patience
from runners.planner import RunSpec


@dataclass(frozen=True)
class Terms:
    """How runs are packed, tried again, shared and repeated.

    Attributes:
        largest: most runs of a pack; None for what is worth it.
        retries: further tries at a run that the machine broke.
        patience: with other drivers.
        save_model: whether the network of each finished run is kept; not those of the trials of a search.
        command: to which ``--only`` is added to repeat one run; empty if there is none.
    """

    largest: int | None = None
    retries: int = 1
    patience: Patience = field(default_factory=Patience)
    command: str = ""
    save_model: bool = False

    def repeat(self, spec: RunSpec) -> str:
        """The command that repeats just this run."""
        return f"{self.command} --only {shlex.quote(f'{spec.cell_id}:{spec.seed}')}" if self.command else ""
