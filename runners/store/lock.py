"""One driver of a study at a time, on an SQLite file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from runners.store.errors import StoreError


@contextlib.contextmanager
def only_driver(path: Path, study: str) -> Iterator[None]:
    """Hold the study's lock beside an SQLite store; the kernel frees it when the process dies.

    Raises:
        StoreError: another driver holds it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.{study}.lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise StoreError(f"another driver is running the study '{study}' on {path}; wait for it or stop it") from error
    except OSError as error:
        raise StoreError(f"the store {path} cannot be written: {error}; choose another with --tracking-uri") from error
    try:
        yield
    finally:
        lock.release()
