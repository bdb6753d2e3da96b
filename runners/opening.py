"""What a command says at once: the study, and the store with what it holds."""

from collections.abc import Callable
from pathlib import Path

from ablations.credentials import redact
from ablations.record import sqlite_path
from ablations.study import Study
from runners import ledger

NAMED = 6  # studies of a store


def announce(say: Callable[[str], None], matrix: Path, study: Study, uri: str) -> None:
    """Say what is to be brought up to date, and where; before anything slow begins.

    Args:
        say: prints a line.
        matrix: the file.
        study: as it was resolved.
        uri: absolute URI of the store.

    Raises:
        StoreError: the store cannot be read.
    """
    say(f"study {study.matrix.study}: {study.size()} ({matrix})")
    path = sqlite_path(uri)
    where = str(path) if path else f"{redact(uri)}, a server"
    if path is None:
        say(f"store: {where}; asking it for its studies")
    found = ledger.studies(uri)
    own = found.pop(study.matrix.study, None)
    holds = [f"{study.matrix.study} ({own} runs)"] if own else []
    holds += [f"{name} ({runs} runs)" if runs else name for name, runs in list(found.items())[:NAMED]]
    more = len(found) - NAMED
    listed = ", ".join(holds) + (f" and {more} more studies" if more > 0 else "")
    new = "" if own else f"; {study.matrix.study} is new in it"
    say(f"store: {where}, " + (f"with {listed}{new}" if holds else "new" if path and not path.exists() else "empty"))
    if not own:
        for one in ledger.strayed(uri, study.matrix.study):
            say(f"note: {one.sentence(study.matrix.study)}")
