"""Stores that several drivers can use at once: an MLflow server on SQLite, and PostgreSQL."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.runners.drivers import until


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the MLflow server keeps its database and artifacts."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(server_folder: Path) -> Iterator[str]:
    """An MLflow server on a SQLite file."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    database, artifacts = f"sqlite:///{server_folder}/mlflow.db", str(server_folder / "artifacts")
    where = ["--backend-store-uri", database, "--artifacts-destination", artifacts]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    log = (server_folder / "log").open("w")
    process = subprocess.Popen([*command, *where], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        log.close()


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs; Debian keeps a server's outside PATH, in one folder per version."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    complete = [folder for folder in folders if all((folder / name).exists() for name in ("initdb", "pg_ctl"))]
    return complete[0] if complete else None


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A new PostgreSQL server."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    if find_spec("pg8000") is None:
        pytest.skip("no client of PostgreSQL is installed: pip install -e '.[dev]'")
    port = free_port()
    user = "postgres" if os.getuid() == 0 else None  # it refuses to be run by root

    # Not below pytest's own folder: each pytest that starts closes that one to other users.
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)

        def call(program: str, *arguments: str) -> None:
            command = [str(programs / program), "-D", f"{folder}/data", *arguments]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=folder)

        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
        call("initdb", "-U", "me", "--auth=trust")
        call("pg_ctl", "-w", "-o", options, "-l", f"{folder}/log", "start")
        try:
            yield f"postgresql+pg8000://me:secret@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.fixture(params=["server", "postgres"])
def shared(request: pytest.FixtureRequest) -> str:
    """Each store that several drivers can use at once."""
    return str(request.getfixturevalue(request.param))
