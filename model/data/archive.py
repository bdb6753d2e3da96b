"""Arrays of an .npz file, read without unpickling and never larger than the file says that they are."""

import lzma
import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from model.base import DataError

# What zipfile, numpy and the parsers that numpy calls raise for a damaged file.
UNREADABLE = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    SyntaxError,
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,  # encrypted; and of it: unknown compression, nested too deep
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
SUFFIX = ".npy"

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]
HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], Header]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


class Archive:
    """The arrays of a file by name."""

    def __init__(self, path: Path) -> None:
        """Read the table of contents.

        Raises:
            DataError: it is no .npz file, or a damaged one.
        """
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                found = [info.filename for info in archive.infolist() if info.filename.endswith(SUFFIX)]
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        self.names = [name.removesuffix(SUFFIX) for name in found]

    def read(self, name: str) -> NDArray[Any]:
        """One array.

        Raises:
            DataError: it is damaged, of Python objects, or its header does not fit its size.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(f"{name}{SUFFIX}")
                with archive.open(info) as stream:
                    self._check(name, stream, info.file_size)
                with archive.open(info) as stream:
                    return np.asarray(npy.read_array(stream, allow_pickle=False))
        except DataError:
            raise
        except UNREADABLE as error:
            raise self._unreadable(error, f"'{name}' of ") from error

    def _check(self, name: str, stream: IO[bytes], size: int) -> None:
        version = npy.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"it has version {version} of the format, known are 1.0 and 2.0")
        with warnings.catch_warnings(action="error"):  # numpy guesses what Python 2 meant
            shape, _, dtype = HEADERS[version](stream)
        if dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded, as nothing is unpickled; save numbers")
        declared, there = math.prod(shape) * dtype.itemsize, size - stream.tell()
        if declared != there or min(shape, default=0) < 0:
            raise DataError(
                f"data.path: '{name}' of {self.path} has the shape {shape} of {dtype}, {declared:,} bytes, but "
                f"{there:,} bytes are there."
            )

    def _unreadable(self, error: BaseException, part: str = "") -> DataError:
        reason = str(error) or type(error).__name__
        return DataError(f"data.path: {part}{self.path} cannot be read as .npz: {reason.rstrip('.')}.")
