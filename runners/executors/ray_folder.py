"""Where Ray keeps its session on this machine."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Of the 107 characters that the path of a socket may have, ray/session_DATE_TIME_MICROSECONDS_PID/sockets/plasma_store
# and the like take up to 70.
MOST = 36
SHORT = Path("/tmp")  # noqa: S108  (a folder of its own is made in it)

log = logging.getLogger(__name__)


@contextlib.contextmanager
def session_folder() -> Iterator[str | None]:
    """A folder for the session where the path of the usual one is too long for Ray's sockets; None where it is not."""
    usual = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(usual) <= MOST or not SHORT.is_dir():
        yield None
        return
    log.warning("%s is too long a path for Ray's sockets; its session is in %s", usual, SHORT)
    with tempfile.TemporaryDirectory(prefix="ray-", dir=SHORT, ignore_cleanup_errors=True) as folder:
        yield folder
