"""A try at a run, of which there may be several."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ablations.record import Outcome, RunRecord, Tag


@dataclass(frozen=True)
class Attempt:
    """A try at a run.

    Attributes:
        number: of this driver's tries, from 1.
        retried: whether it failed, and is tried again.
        repeat: the command that repeats just this run.
        former: ids of finished runs that it replaces.
    """

    number: int = 1
    retried: bool = False
    repeat: str = ""
    former: Collection[str] = ()

    def tags(self, record: RunRecord) -> Mapping[str, str]:
        """What a failure adds."""
        if record.outcome is not Outcome.FAILED:
            return {}
        return {Tag.RETRIED: "true"} if self.retried else {Tag.REPEAT: self.repeat} if self.repeat else {}


FIRST = Attempt()
