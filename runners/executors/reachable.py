"""Whether a cluster answers at an address."""

import socket

from runners.executors import ExecutorError

SECONDS = 5.0


def require_reachable(address: str) -> None:
    """Look first: Ray itself tries for minutes.

    Raises:
        ExecutorError: nothing answers.
    """
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), SECONDS).close()
        except OSError as error:
            raise ExecutorError(f"no Ray cluster answers at --address {address}: {error}") from error
