"""MLflow's UI ends with the command that serves it, and says who has its port."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.runners.conftest import Store
from tests.runners.drivers import until
from tests.runners.servers import answers, free_port

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(240)


def serve(uri: str, port: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "runners.ui", "--port", str(port), "--tracking-uri", uri]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_all_of_its_processes(store: Store, number: signal.Signals) -> None:
    port = free_port()
    ui = serve(store.uri, port)
    until(lambda: answers(port) or ui.poll() is not None)
    assert ui.poll() is None
    family = psutil.Process(ui.pid).children(recursive=True)
    os.kill(ui.pid, number)
    output, _ = ui.communicate(timeout=60)
    assert ui.returncode == 0
    assert f"Open http://127.0.0.1:{port}/" in output
    assert family
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert not answers(port)


def test_a_port_that_is_taken_is_named_with_who_has_it(store: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ui = serve(store.uri, port)
        output, _ = ui.communicate(timeout=60)
    assert ui.returncode == 2
    assert f"port {port} is taken by" in output
    assert f"(process {os.getpid()}); choose another: make ui PORT={port + 1}" in output


def test_a_server_has_its_own_ui() -> None:
    ui = serve("http://host.example:5000", free_port())
    output, _ = ui.communicate(timeout=60)
    assert (ui.returncode, "has the UI at its own address" in output) == (2, True)
