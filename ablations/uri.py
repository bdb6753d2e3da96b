"""What may name a store."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from ablations.credentials import redact
from ablations.record import SQLITE

FORMS = "sqlite:///FILE, http://HOST:PORT, https://HOST, or a database as postgresql://HOST/NAME"


class UriError(ValueError):
    """A URI that names no store; the message says what would."""


def check_uri(uri: str) -> None:
    """Refuse what MLflow would take for something else: no name is a new store in memory or in the current folder.

    Raises:
        UriError: it has no scheme, names no file or host, or has options where a file's name is expected.
    """
    if not uri.isprintable() or not re.match(r"[a-z][a-z0-9+.-]*:", uri):
        raise UriError(_refusal(uri, f"write {FORMS}"))
    if uri.startswith("sqlite:"):
        name = uri.removeprefix(SQLITE)
        if name == uri or not name or name.endswith("/"):
            raise UriError(_refusal(uri, f"it names no file; write {SQLITE}FILE, or {SQLITE}/FOLDER/FILE"))
        if "?" in name:
            raise UriError(_refusal(uri, f"options after a ? are not supported; write {SQLITE}FILE"))
    elif uri.startswith(("http:", "https:")):
        try:
            host = urlsplit(uri).hostname
        except ValueError as error:
            raise UriError(_refusal(uri, f"{error}; write {FORMS}")) from error
        if not host:
            raise UriError(_refusal(uri, f"it names no host; write {FORMS}"))


def _refusal(uri: str, rule: str) -> str:
    return f"the store {redact(uri)!r:.200} cannot be used: {rule}"


def to_read(path: Path) -> str:
    """SQLite's URI of a file, absolute, that is only to be read.

    Reading a database with a write-ahead log makes files beside it. Where that cannot be, as on a read-only disk,
    nobody can write it either, and SQLite need not look for changes; unless a log was left there, which it would miss.
    """
    log = path.with_name(f"{path.name}-wal")
    alone = not os.access(path.parent, os.W_OK) and not (log.is_file() and log.stat().st_size)
    return f"{path.as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
