"""Reads pickles of arrays, numbers, strings and containers without running anything that they ask for.

A pickle is a program: it names functions and calls them. Here each name is looked up in ``ALLOWED`` alone, where
stands a function of this file that makes an array, a scalar or a container out of checked arguments. So neither numpy's
own unpickling nor anything else that the file could name is reached. A place in the memo that would use up the
memory is refused before; what is not defended against is a file that is made to nest or hash without end.
"""

import copyreg
import math
import mmap
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.base import DataError
from model.data.memo import check_memo

# What the unpickler, numpy and the stand-ins raise for contents that make no sense.
BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    OverflowError,
    MemoryError,
    RecursionError,
)

DIMENSIONS = 32  # that numpy 1 and 2 can both have


def unpickle(path: Path) -> object:
    """Contents of a pickle file; strings that Python 2 wrote are read as latin1.

    Raises:
        DataError: the file asks for a name that is not allowed, or it is truncated or no pickle.
    """
    # Otherwise an extension code that this process has met before would be resolved without asking ``find_class``.
    copyreg.clear_extension_cache()
    try:
        with path.open("rb") as stream:
            with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
                check_memo(data)
            return _Unpickler(stream, encoding="latin1").load()
    except _RefusedError as error:
        raise DataError(
            f"data.path: {path} asks for {error}, which no data file needs; nothing of it was run. Allowed are "
            f"arrays, numbers, strings, containers, and Sample of joyful.Sample or cogmen.Sample."
        ) from error
    except BROKEN as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"data.path: {path} cannot be read as a pickle: {reason.rstrip('.')}.") from error


class Sample:
    """Stands for the class of JOYFUL and COGMEN: nothing but its attributes by name."""

    __slots__ = ("attributes",)
    attributes: Mapping[str, object]

    def __new__(cls, *arguments: object) -> "Sample":
        """An empty sample, as an unpickler makes it."""
        if arguments:
            raise _RefusedError("a call of Sample with arguments")
        sample = super().__new__(cls)
        sample.attributes = {}
        return sample

    def __setstate__(self, state: object) -> None:
        if type(state) is not dict or not all(type(key) is str for key in state):
            raise _RefusedError("a Sample with a state other than attributes by name")
        self.attributes = state


class _RefusedError(Exception):
    """What the file asks for and does not get."""


class _Unpickler(pickle.Unpickler):
    """Knows the names of ``ALLOWED`` and no others."""

    def find_class(self, module: str, name: str) -> object:
        """The stand-in for a name, compared as a whole: no attribute of a module or class is looked up."""
        if (module, name) not in ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return ALLOWED[module, name]

    def persistent_load(self, pid: object) -> object:
        """Objects that are kept outside the file are refused."""
        raise _RefusedError(f"the persistent object {pid!r:.80}")


class _Stand:
    """What a file gets for a name: it may be called and passed on, and the file cannot change it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> object:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("a change of a function")


class _Dtype:
    """A plain type of fixed size; its state gives the byte order alone."""

    __slots__ = ("dtype",)

    def __init__(self, spec: object, *_: object) -> None:
        """``spec`` is kind and bytes; what follows says only whether the type was aligned or copied."""
        if not isinstance(spec, str) or not re.fullmatch(r"[biufSUO]\d+", spec):
            raise _RefusedError(f"numpy.dtype({spec!r:.80})")
        self.dtype = np.dtype(spec)

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.dtype = self.dtype.newbyteorder(order)
            case _:
                raise _RefusedError("a numpy.dtype with fields")


class _Array(np.ndarray[Any, Any]):
    """An array whose state is checked before numpy sees it: sizes agree, so nothing large is allocated."""

    def __setstate__(self, state: object) -> None:
        if self.size:
            raise _RefusedError("a second state of a numpy.ndarray")
        match state:
            case (int(), tuple(shape), _Dtype(dtype=dtype), int(fortran), data):
                content: Any = data if dtype.kind == "O" else _latin1(data)
            case _:
                raise _RefusedError("a numpy.ndarray with an unknown state")
        unit = list if dtype.kind == "O" else bytes
        if not isinstance(content, unit) or len(content) != _size(shape, 1 if unit is list else dtype.itemsize):
            raise pickle.UnpicklingError(f"the contents of an array do not fit its shape {shape!r:.80} of {dtype}")
        _check_text(dtype, content)
        checked: Any = (1, shape, dtype, bool(fortran), content)
        super().__setstate__(checked)


def _size(shape: tuple[object, ...], itemsize: int) -> int | None:
    """Bytes or objects of an array; None if numpy could not count them, which its own unpickling does not look at."""
    counts = [n for n in shape if type(n) is int and n >= 0]
    countable = (
        len(counts) == len(shape) <= DIMENSIONS and 0 < itemsize * math.prod(n or 1 for n in counts) < sys.maxsize
    )
    return itemsize * math.prod(counts) if countable else None


def _reconstruct(subtype: object, *_: object) -> _Array:
    if subtype is not NDARRAY:
        raise _RefusedError("an array of a type other than numpy.ndarray")
    return np.ndarray.__new__(_Array, (0,), np.int8)


def _from_buffer(buffer: object, dtype: _Dtype, shape: Any, order: Any, axis_order: Any = None) -> NDArray[Any]:
    """How protocol 5 makes an array."""
    content = _latin1(buffer)
    _check_text(dtype.dtype, content)
    flat = np.frombuffer(content, dtype.dtype)
    return flat.reshape(shape, order=order) if axis_order is None else flat.reshape(shape).transpose(axis_order)


def _scalar(dtype: _Dtype, data: bytes | str) -> object:
    content = _latin1(data)
    _check_text(dtype.dtype, content)
    return np.frombuffer(content, dtype.dtype, count=1)[0] if dtype.dtype.itemsize else dtype.dtype.type()


def _check_text(dtype: np.dtype[Any], content: Any) -> None:
    """Numpy takes any four bytes for a character, and fails when they are read."""
    if dtype.kind == "U" and np.frombuffer(content, f"{dtype.byteorder}u4").max(initial=0) > sys.maxunicode:
        raise pickle.UnpicklingError("a string has bytes that are no character")


def _latin1(data: object) -> bytes:
    if not isinstance(data, bytes | bytearray | str):
        raise pickle.UnpicklingError(f"{type(data).__name__} in place of bytes")
    return data.encode("latin1") if isinstance(data, str) else bytes(data)


def _encode(text: str, codec: str) -> bytes:
    """How Python 3 writes bytes for Python 2."""
    if codec not in {"latin1", "latin-1"}:
        raise _RefusedError(f"_codecs.encode with the codec {codec!r:.80}")
    return text.encode("latin1")


def _reconstructor(cls: object, base: object, state: object) -> Sample:
    """How protocols 0 and 1 make an object."""
    if cls is not Sample or base is not OBJECT or state is not None:
        raise _RefusedError("copyreg._reconstructor of something other than a Sample")
    return Sample()


def _no_call(*_: object) -> object:
    raise _RefusedError("a call of a class")


NDARRAY, OBJECT = _Stand(_no_call), _Stand(_no_call)

# Python 2 and 3 and numpy 1 and 2 have different names for the same.
ALLOWED: Mapping[tuple[str, str], object] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Stand(_reconstruct) for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Stand(_scalar) for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Stand(_from_buffer) for core in ("core", "_core")},
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _Stand(_Dtype),
    ("_codecs", "encode"): _Stand(_encode),
    ("collections", "OrderedDict"): _Stand(dict),
    **{(copy, "_reconstructor"): _Stand(_reconstructor) for copy in ("copyreg", "copy_reg")},
    **{(builtins, "object"): OBJECT for builtins in ("builtins", "__builtin__")},
    **{(builtins, "set"): _Stand(set) for builtins in ("builtins", "__builtin__")},
    **{(builtins, "frozenset"): _Stand(frozenset) for builtins in ("builtins", "__builtin__")},
    **{(builtins, "bytes"): _Stand(lambda: b"") for builtins in ("builtins", "__builtin__")},
    **{(module, "Sample"): Sample for module in ("joyful.Sample", "cogmen.Sample")},
}
