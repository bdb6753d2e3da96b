"""Makes malformed input out of valid input: of text, of documents, of bytes and of arrays."""

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-3, max_value=3),
    st.floats(),
    st.sampled_from([10**9, 10**30, -1, 1e308, "", "a", "grid", "none", "1e999", ".inf", "[", "$", "\x00", "é" * 400]),
    st.text(max_size=8),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.sampled_from(["kind", "weight", "low", "high", "seed", "x"]), st.integers(0, 3), max_size=3),
)
TOKENS = [
    "{",
    "}",
    "[",
    "]",
    ":",
    "- ",
    "&a ",
    "*a",
    "!!python/object ",
    "? ",
    "\t",
    "#",
    "|",
    "\ufeff",
    "---\n",
    "9" * 40,
]
Path = tuple[str | int, ...]


def examples(number: int) -> settings:
    """The same each time, and kept nowhere."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Of everything in a document of mappings and lists."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


@st.composite
def documents(draw: st.DrawFn, valid: dict[str, Any]) -> Any:
    """A document with one to three places changed, removed, renamed or added."""
    changed: Any = copy.deepcopy(valid)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        places = [path for path in paths(changed) if path]
        if not places:
            return draw(JUNK)
        *above, last = draw(st.sampled_from(places))
        parent: Any = changed
        for key in above:
            parent = parent[key]
        change = draw(st.sampled_from(["replace", "remove", "rename", "add"]))
        if change == "replace":
            parent[last] = draw(JUNK)
        elif change == "remove":
            del parent[last]
        elif isinstance(parent, list):
            parent.append(draw(JUNK))
        else:
            parent[draw(st.text(max_size=6)) if change == "add" else f"{last}s"] = (
                draw(JUNK) if change == "add" else parent.pop(last)
            )
    return changed


@st.composite
def texts(draw: st.DrawFn, valid: str) -> str:
    """A text with one to three pieces removed, doubled, moved or replaced."""
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        first, last = sorted(draw(st.tuples(*[st.integers(0, len(valid))] * 2)))
        last = min(last, first + draw(st.integers(0, 40)))
        piece = valid[first:last]
        new = draw(st.one_of(st.just(""), st.just(2 * piece), st.sampled_from(TOKENS), st.text(max_size=5)))
        valid = valid[:first] + new + valid[last:]
    return valid


Damage = tuple[str, int, bytes]
DAMAGE: st.SearchStrategy[list[Damage]] = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "insert", "remove", "cut"]),
        st.one_of(st.integers(-200, 200), st.integers(-(10**5), 10**5)),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=3,
)


def damage(valid: bytes, changes: list[Damage]) -> bytes:
    """Bytes of which some are changed, inserted or cut off; places are most often near the beginning or the end."""
    data = bytearray(valid)
    for change, place, new in changes:
        at = place % max(1, len(data))
        if change == "cut":
            del data[at:]
        elif change == "remove":
            del data[at : at + len(new)]
        else:
            data[at : at + (len(new) if change == "set" else 0)] = new
    return bytes(data)


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """Such bytes."""
    return DAMAGE.map(lambda changes: damage(valid, changes))


def _reshaped(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(-1) if array.ndim > 1 else array[:, None]


CHANGES: list[Callable[[NDArray[Any]], object]] = [
    lambda array: array[:-1],
    lambda array: array[:0],
    _reshaped,
    lambda array: array.astype(str),
    lambda array: array.astype(np.complex128),
    lambda array: np.asarray(array, dtype=object),
    lambda array: np.full(array.shape, np.nan),
    lambda array: np.full(array.shape, -1),
    lambda array: np.full(array.shape, 2**62),
    lambda array: np.full(array.shape, 1e300),
    lambda array: np.full(array.shape, "2020-01-01", dtype="datetime64[D]"),
    lambda array: np.float32(3),
    lambda array: np.zeros(array.shape, dtype=[("a", "f4")]),
]


@st.composite
def archives(draw: st.DrawFn, valid: dict[str, NDArray[Any]]) -> bytes:
    """An .npz whose arrays have another shape, type or contents, or other names."""
    arrays: dict[str, Any] = dict(valid)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(valid)))
        change = draw(st.sampled_from([*CHANGES, None]))
        if change is None:
            arrays.pop(name, None)
            arrays[draw(st.sampled_from(["label", "x", "a/b", "é"]))] = valid[name]
        elif valid[name].dtype.kind != "U":
            arrays[name] = change(valid[name])
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()
