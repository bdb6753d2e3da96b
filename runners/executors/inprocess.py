"""Runs packs one after the other in this process: for tests, for a debugger, for one small study."""

from collections.abc import Callable, Sequence
from typing import Self

from runners.executors import Message
from runners.planner import Pack


class InProcess:
    """The executor without processes."""

    jobs = 1

    def __enter__(self) -> Self:
        """Nothing to make ready."""
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to give back."""

    def run(self, packs: Sequence[Pack], report: Callable[[Message], None]) -> None:
        """Run all packs."""
        from runners.trial import run_pack

        for pack in packs:
            run_pack(pack, report)
