"""MLflow's UI on a store, until it is stopped; then nothing of it stays behind.

python -m runners.ui --port 5000
"""

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ablations.record import DEFAULT_URI, sqlite_path
from runners.options import TrackingUri

if TYPE_CHECKING:
    from types import FrameType

HOST, BAD_INPUT = "127.0.0.1", 2
PATIENCE = 10.0  # seconds for the server to end before it is killed
START = "#/experiments?workflowType=machine_learning"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    port: Annotated[int, typer.Option(min=1, max=65535, help="To listen on, of this machine alone.")] = 5000,
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Serve MLflow's UI until Ctrl-C or SIGTERM. Exit code 2: the port is taken, or the store is no SQLite file."""
    from runners import store

    try:
        path = sqlite_path(store.absolute(tracking_uri))
    except store.StoreError as error:
        raise _refused(str(error)) from error
    if path is None:
        raise _refused(f"{tracking_uri} is no SQLite file; a tracking server has the UI at its own address")
    owner = _owner(port)
    if owner:
        raise _refused(f"port {port} is taken by {owner}; choose another: make ui PORT={port + 1}")
    typer.echo(f"Open http://{HOST}:{port}/{START}")
    command = ["-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{path}", "--artifacts-destination", str(path.parent / "artifacts")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    # In a session of its own, so that the server and its workers can be ended together.
    server = subprocess.Popen([sys.executable, *command], env=os.environ | quiet, start_new_session=True)  # noqa: S603
    raise typer.Exit(_until_stopped(server))


def _until_stopped(server: "subprocess.Popen[bytes]") -> int:
    """Wait for the server, or for a signal, which ends it; returns its exit code, 0 after a signal."""
    stopped = False

    def stop(*_: "int | FrameType | None") -> None:
        nonlocal stopped
        stopped = True
        _signal(server, signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    while True:
        try:
            code = server.wait(PATIENCE if stopped else None)
        except subprocess.TimeoutExpired:
            _signal(server, signal.SIGKILL)
            continue
        # The parent may have ended before its workers.
        _signal(server, signal.SIGKILL)
        return 0 if stopped else code


def _signal(server: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(server.pid, number)
    except ProcessLookupError:  # all of them have ended
        return


def _owner(port: int) -> str:
    """Who listens on a port; empty if nobody does."""
    import socket

    import psutil

    with socket.socket() as probe:
        if probe.connect_ex((HOST, port)):
            return ""
    try:
        listening = (c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN)
        pids = {connection.pid for connection in listening if connection.laddr and connection.laddr.port == port}
        known = [psutil.Process(pid) for pid in pids if pid]
        names = [f"{' '.join(process.cmdline())[:120]} (process {process.pid})" for process in known]
    except psutil.Error:  # of another user
        names = []
    return names[0] if names else "another process"


def _refused(message: str) -> typer.Exit:
    typer.echo(f"error: {message}", err=True)
    return typer.Exit(BAD_INPUT)


if __name__ == "__main__":
    app()
