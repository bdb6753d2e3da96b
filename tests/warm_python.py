"""A Python that has imported what is slow to import, and becomes the one that a command asks for.

As ``serve`` it waits at a socket. As ``ask`` it stands for ``python``: it hands its arguments, folder, environment and
streams to a fork of the one that waits, and ends with its exit code. What is of the project is imported by the fork.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

SLOW = (
    *("torch", "torch_geometric.nn", "torchjd.aggregation", "sklearn.metrics", "pydantic", "typer", "rich.console"),
    *("mlflow.tracking", "mlflow.store.tracking.sqlalchemy_store", "alembic.command", "optuna"),
    *(
        "pandas",
        "scipy.stats",
        "statsmodels.regression.mixed_linear_model",
        "seaborn",
        "matplotlib.backends.backend_pdf",
    ),
)
MOST = 1 << 20  # bytes of a request


def serve(address: str) -> None:
    """Wait for requests, one at a time."""
    for name in SLOW:
        __import__(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.bind(address)
        waiting.listen()
        while True:
            connection, _ = waiting.accept()
            with connection:
                text, streams, _, _ = socket.recv_fds(connection, MOST, 3)
                child = os.fork()
                if not child:
                    become(json.loads(text), streams)
                for stream in streams:
                    os.close(stream)
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                connection.sendall(bytes([code if code >= 0 else 128 - code]))


def become(request: dict[str, object], streams: list[int]) -> NoReturn:
    """Run what was asked for as ``python`` would."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    arguments, folder, environment = request["arguments"], request["folder"], request["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(folder))
    sys.path[0] = str(folder)
    code: object = 1
    try:
        if arguments[0] == "-m":
            sys.argv = arguments[1:]
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = arguments
            runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)  # to take all that was imported apart takes seconds


def ask(address: str, arguments: list[str]) -> int:
    """Have it run; returns its exit code."""
    request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        return (connection.recv(1) or b"\1")[0]


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
