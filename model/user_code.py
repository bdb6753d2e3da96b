"""Code of the user's, run so that what it does to the process is an error with its name."""

import contextlib
import os
import sys
import sysconfig
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from model.base import InputError

SHOWN = 3  # frames of a traceback
PROJECT = Path(__file__).parents[1]
PACKAGES = ("ablations", "analysis", "model", "runners")
PARSERS = ("argparse.py", "optparse.py", "getopt.py")
INSTALLED = ("site-packages", "dist-packages")


class UserCodeError(InputError):
    """What the user's code must not do; the message says whose code did what, and where."""


@contextlib.contextmanager
def guarded(whose: str) -> Iterator[None]:
    """Run code that must neither end the process nor read the command line, which is not its own.

    Args:
        whose: what the message calls it.

    Raises:
        UserCodeError: it calls ``sys.exit`` or ``os._exit``, or reads the arguments in ``sys.argv``.
    """
    arguments, leave, here = sys.argv, os._exit, (os.getpid(), threading.get_ident())

    def refuse(status: int) -> NoReturn:
        # A process that was forked from here ends by this call, and so may other threads.
        if (os.getpid(), threading.get_ident()) != here:
            leave(status)
        raise _Left(f"os._exit({status})")

    sys.argv = _Arguments(arguments[:1])
    os._exit = refuse
    try:
        yield
    except SystemExit as error:
        raise UserCodeError(
            f"{whose} calls sys.exit({error.code!r}){place(error.__traceback__)}; it must not."
        ) from error
    except _Left as error:
        raise UserCodeError(f"{whose} calls {error}{place(error.__traceback__)}; it must not.") from error
    except _Read as error:
        raise UserCodeError(
            f"{whose} reads the command line (sys.argv){place(error.__traceback__)}, but that is not its own; make it "
            f"settings of the task, or read it below `if __name__ == '__main__':`."
        ) from error
    finally:
        sys.argv, os._exit = arguments, leave


class _Left(BaseException):
    """A call of ``os._exit``; no handler of exceptions is to take it for one."""


class _Read(BaseException):
    """The arguments were read."""


class _Arguments(list[str]):
    """The name of the program alone; libraries may ask for more, and get nothing."""

    def __getitem__(self, index: Any) -> Any:
        if index != 0 and _asked_by_the_user(sys._getframe(1)):
            raise _Read
        return super().__getitem__(index)


def _asked_by_the_user(frame: FrameType | None) -> bool:
    """Whether the user's own code asks, by itself or through a parser of the standard library."""
    while frame and Path(frame.f_code.co_filename).name in PARSERS:
        frame = frame.f_back
    return frame is not None and own(frame.f_code.co_filename)


def own(file: str | Path) -> bool:
    """Whether a file is the user's own: of neither the standard library nor an installed package nor this project."""
    path = Path(file).resolve()
    library = [Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")]
    mine = any(path.is_relative_to(PROJECT / package) for package in PACKAGES)
    return not (mine or {*INSTALLED} & {*path.parts} or any(path.is_relative_to(folder) for folder in library))


def place(trace: TracebackType | None) -> str:
    """Where in the user's code the last call was made: `` (net.py, line 3)``."""
    frames = [frame for frame in traceback.extract_tb(trace) if own(frame.filename)]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def described(error: BaseException, advice: str = "") -> str:
    """An error with an advice, and the last frames of its traceback."""
    where = "".join(traceback.format_tb(error.__traceback__)[-SHOWN:]).rstrip()
    return f"{type(error).__name__}: {error}{advice}\n{where}"
