"""Whatever a pickle asks for, nothing of it is run, and the message has the name."""

import copyreg
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from model.base import DataError
from model.data.unpickle import ALLOWED, Sample, unpickle
from tests.model.pickles import joyful_bytes, joyful_dialogues, mmgcn_tuple, python2_bytes, write

SENTINEL = "ran"
COMMAND = f"echo > {SENTINEL}"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The sentinel is looked for where an attack that runs would leave it."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(SENTINEL).exists(), "something in the file was run"


def read(data: bytes) -> Any:
    return unpickle(write(Path("x.pkl"), data))


def refused(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"^data\.path: x\.pkl {message}"):
        read(data)


# Opcodes, written by hand: no pickler would write most of this.
def text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def stacked_name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def program(body: bytes, protocol: int = 4) -> bytes:
    return bytes([0x80, protocol]) + body + b"."


RECONSTRUCT, DTYPE, SAMPLE = (
    name("numpy.core.multiarray", "_reconstruct"),
    name("numpy", "dtype"),
    name("joyful.Sample", "Sample"),
)
FLOAT = (
    call(DTYPE, text("f8"), b"\x89", b"\x88") + b"(K\x03" + text("<") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb"
)
ARRAY = call(RECONSTRUCT, name("numpy", "ndarray"), b"K\x00\x85", b"C\x01b")


def array(shape: bytes, dtype: bytes = FLOAT, content: bytes = b"C\x08" + bytes(8)) -> bytes:
    return program(ARRAY + b"(K\x01(" + shape + b"t" + dtype + b"\x89" + content + b"tb")


@pytest.mark.parametrize("spell", [name, stacked_name])
@pytest.mark.parametrize(
    ("module", "attribute", "argument"),
    [
        ("os", "system", COMMAND),
        ("posix", "system", COMMAND),
        ("nt", "system", COMMAND),
        ("subprocess", "getoutput", COMMAND),
        ("builtins", "eval", f"open('{SENTINEL}', 'w')"),
        ("__builtin__", "eval", f"open('{SENTINEL}', 'w')"),
        ("builtins", "exec", f"open('{SENTINEL}', 'w')"),
        ("builtins", "getattr", "os"),
        ("builtins", "__import__", "os"),
        ("builtins", "open", SENTINEL),
        ("builtins", "bytearray", "x"),
        ("importlib", "import_module", "os"),
        ("pathlib", "Path", SENTINEL),
        ("pickle", "loads", "x"),
        ("numpy", "load", SENTINEL),
        ("numpy", "memmap", SENTINEL),
        ("numpy.f2py", "compile", "x"),
        ("numpy.f2py.crackfortran", "getlincoef", COMMAND),
        ("numpy.testing._private.utils", "runstring", COMMAND),
        ("numpy.core.multiarray", "fromfile", SENTINEL),
        ("torch._utils", "_rebuild_tensor_v2", "x"),
        ("torch.storage", "_load_from_bytes", "x"),
        ("joyful.Sample", "sbert_model", "x"),
        ("joyful", "Sample", "x"),
        ("model.data.unpickle", "Sample", "x"),
    ],
)
def test_a_name_that_is_not_allowed_is_refused_and_said(
    spell: Callable[[str, str], bytes], module: str, attribute: str, argument: str
) -> None:
    refused(program(call(spell(module, attribute), text(argument))), f"asks for {module}.{attribute}, which no data f")


@pytest.mark.parametrize(
    "attribute",
    ["_reconstruct.__globals__", "scalar.__class__", "Sample.__new__", "os.system", "_reconstruct.__self__.fromfile"],
)
@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray", "joyful.Sample"])
def test_a_dotted_name_is_not_followed(module: str, attribute: str) -> None:
    refused(program(stacked_name(module, attribute)), f"asks for {module}.{attribute}")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_object_that_reduces_to_a_call_is_refused(protocol: int) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (COMMAND,)

    refused(pickle.dumps({"train": [Attack()]}, protocol), rf"asks for {os.system.__module__}\.system")


@pytest.mark.parametrize("opcode", [b"i", b"o"])
def test_the_old_ways_to_make_an_object_are_refused(opcode: bytes) -> None:
    body = b"(" + text(COMMAND) + b"ios\nsystem\n" if opcode == b"i" else b"(" + name("os", "system") + text("x") + b"o"
    refused(program(body), r"asks for os\.system")


def test_persistent_ids_are_refused() -> None:
    refused(b"Pthe storage\n.", "asks for the persistent object 'the storage'")
    refused(program(text("another") + b"Q"), "asks for the persistent object 'another'")


def test_torch_tensors_are_refused_by_name() -> None:
    refused(pickle.dumps({"train": torch.zeros(2)}), r"asks for torch\._utils\._rebuild_tensor_v2")


def test_extension_codes_are_refused_even_if_this_process_has_resolved_them() -> None:
    data = program(call(b"\x82\xf0", text(COMMAND)))
    refused(data, "cannot be read as a pickle: unregistered extension code 240")
    copyreg.add_extension("os", "getcwd", 240)
    try:
        refused(data, r"asks for os\.getcwd")
        assert pickle.loads(program(b"\x82\xf0")) is os.getcwd
        refused(data, r"asks for os\.getcwd")
    finally:
        copyreg.remove_extension("os", "getcwd", 240)
        copyreg.clear_extension_cache()


@pytest.mark.parametrize("codec", ["zip", "bz2", "rot13", "hex", "utf-8", "base64"])
def test_only_latin1_is_decoded(codec: str) -> None:
    encode = name("_codecs", "encode")
    refused(program(call(encode, text("x"), text(codec))), rf"asks for _codecs\.encode with the codec '{codec}'")
    assert read(program(call(encode, text("é"), text("latin1")))) == b"\xe9"


REFUSED_USES = {
    "call of Sample": (call(SAMPLE, text("x")), "asks for a call of Sample with arguments"),
    "new Sample with arguments": (SAMPLE + text("x") + b"\x85\x81", "asks for a call of Sample with arguments"),
    "state is a list": (SAMPLE + b")\x81]b", "asks for a Sample with a state other than attributes by name"),
    "state has slots": (SAMPLE + b")\x81}}\x86b", "asks for a Sample with a state other than attributes by name"),
    "state by number": (SAMPLE + b")\x81}K\x01NsbN0", "asks for a Sample with a state other than attributes by name"),
    "state of the class": (SAMPLE + b"}b", "cannot be read as a pickle"),
    "slots of the class": (SAMPLE + b"N}" + text("__setstate__") + b"Ns\x86b", "cannot be read as a pickle"),
    "state of a function": (
        RECONSTRUCT + b"N}" + text("_make") + SAMPLE + b"s\x86b",
        "asks for a change of a function",
    ),
    "items of a function": (RECONSTRUCT + b"K\x01K\x02s", "cannot be read as a pickle"),
    "instance of a function": (RECONSTRUCT + b")\x81", "cannot be read as a pickle"),
    "call of ndarray": (call(name("numpy", "ndarray"), b"K\x01"), "asks for a call of a class"),
    "call of object": (call(name("builtins", "object")), "asks for a call of a class"),
    "another subtype": (call(RECONSTRUCT, SAMPLE, b"K\x00\x85", b"C\x01b"), "asks for an array of a type other than"),
    "reconstructor": (
        call(name("copy_reg", "_reconstructor"), name("__builtin__", "set"), name("__builtin__", "object"), b"N"),
        r"asks for copyreg\._reconstructor of something other than a Sample",
    ),
    "second array state": (
        array(b"K\x01")[2:-1] + b"(K\x01(K\x01t" + FLOAT + b"\x89C\x08" + bytes(8) + b"tb",
        r"asks for a second state of a numpy\.ndarray",
    ),
    "buffer of an array": (
        call(name("numpy.core.numeric", "_frombuffer"), array(b"K\x01")[2:-1], FLOAT, b"K\x01\x85", text("C")),
        "cannot be read as a pickle: _Array in place of bytes",
    ),
    "array state": (ARRAY + b"}b", "asks for a numpy.ndarray with an unknown state"),
    "array state with another dtype": (ARRAY + b"(K\x01)NN\x89C\x00tb", "asks for a numpy.ndarray with an unknown st"),
    "structured dtype": (call(DTYPE, text("V8")), r"asks for numpy\.dtype\('V8'\)"),
    "complex dtype": (call(DTYPE, text("c16")), r"asks for numpy\.dtype\('c16'\)"),
    "dates": (call(DTYPE, text("M8")), r"asks for numpy\.dtype\('M8'\)"),
    "dtype with commas": (call(DTYPE, text("f8,f8")), r"asks for numpy\.dtype\('f8,f8'\)"),
    "dtype of no size": (ARRAY + b"(K\x01K\x09\x85" + call(DTYPE, text("U0")) + b"\x89C\x00tb", "cannot be read as a"),
    "dtype of a class": (call(DTYPE, SAMPLE), r"asks for numpy\.dtype\("),
    "dtype with fields": (
        call(DTYPE, text("f8")) + b"(K\x03" + text("|") + b"N" + text("a") + b"\x85}K\x08K\x01K\x10tb",
        r"asks for a numpy\.dtype with fields",
    ),
    "dtype that is none": (call(DTYPE, text("f7")), "cannot be read as a pickle: data type 'f7' not understood"),
    "bytes with an argument": (call(name("__builtin__", "bytes"), b"J\xff\xff\xff\x7f"), "cannot be read as a pickle"),
    "set of lists": (call(name("builtins", "set"), b"]]a"), "cannot be read as a pickle: unhashable type"),
    "object scalar": (
        call(name("numpy.core.multiarray", "scalar"), call(DTYPE, text("O8")), SAMPLE),
        "cannot be read as a pickle",
    ),
    "object buffer": (
        call(name("numpy.core.numeric", "_frombuffer"), b"C\x08" + bytes(8), call(DTYPE, text("O8")), b")", text("C")),
        "cannot be read as a pickle",
    ),
}


@pytest.mark.parametrize("case", REFUSED_USES)
def test_what_is_allowed_cannot_be_used_for_anything_else(case: str) -> None:
    body, message = REFUSED_USES[case]
    before = {key: repr(value) for key, value in ALLOWED.items()}
    refused(program(body), message)
    assert {key: repr(value) for key, value in ALLOWED.items()} == before
    assert read(program(SAMPLE + b")\x81}" + text("vid") + text("a") + b"sb")).attributes == {"vid": "a"}


MISFITS = {
    "huge": b"\x8a\x05\xff\xff\xff\xff\x7f",
    "huge twice": b"\x8a\x05\xff\xff\xff\xff\x7f" * 2,
    "larger than memory": b"\x8a\x09" + bytes(8) + b"\x01",
    "too small": b"K\x00",
    "negative": b"J\xff\xff\xff\xff",
    "negative twice": b"J\xff\xff\xff\xff" * 2,
    "no integer": text("x"),
    "true": b"\x88",
    "fraction": b"G" + struct.pack(">d", 1.0),
}


@pytest.mark.parametrize("case", MISFITS)
def test_an_absurd_shape_is_refused_before_anything_is_allocated(case: str) -> None:
    refused(array(MISFITS[case]), "cannot be read as a pickle: the contents of an array do not fit its shape")
    objects = call(DTYPE, text("O8"))
    refused(array(MISFITS[case], objects, b"]Na"), "cannot be read as a pickle: the contents of an array do not fit")


def test_shapes_that_numpys_own_unpickling_does_not_check_are_refused() -> None:
    misfit = "cannot be read as a pickle: the contents of an array do not fit its shape"
    refused(array(b"K\x00" * 70, content=b"C\x00"), misfit)
    huge = b"\x8a\x08" + b"\xff" * 7 + b"\x7f"
    refused(array(b"K\x00" + huge * 2, content=b"C\x00"), misfit)
    assert read(array(b"K\x00K\x07", content=b"C\x00")).shape == (0, 7)


def test_bytes_that_are_no_character_are_refused() -> None:
    for content in (b"\xff" * 4, b"\x00\x00\x11\x00"):
        letter = call(DTYPE, text("U1"))
        refused(array(b"K\x01", letter, b"C\x04" + content), "cannot be read as a pickle")
        scalar = call(name("numpy.core.multiarray", "scalar"), letter, b"C\x04" + content)
        refused(program(scalar), "cannot be read as a pickle")


@pytest.mark.parametrize("count", [2**31, 2**40, 2**62])
def test_more_bytes_than_there_are_is_a_truncated_file(count: int) -> None:
    for opcode in (b"\x8e", b"\x8d", b"\x96"):
        refused(program(opcode + struct.pack("<Q", count) + b"few"), "cannot be read as a pickle")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_that_is_cut_off_anywhere_is_refused(protocol: int) -> None:
    splits = joyful_dialogues()
    small = {split: samples[:1] for split, samples in splits.items()}
    for data in (joyful_bytes(small, protocol=protocol), python2_bytes(mmgcn_tuple(trained=2, tested=1))):
        for end in range(0, len(data), 10):
            refused(data[:end], "cannot be read as a pickle: ")


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"not a pickle", b"\x93NUMPY", b"\x89HDF\r\n", bytes(100), b"\xff" * 100, b"\x80\x09."]
)
def test_a_file_that_is_no_pickle_is_refused(data: bytes) -> None:
    refused(data, "cannot be read as a pickle: .")


def test_a_folder_is_refused() -> None:
    with pytest.raises(DataError, match=r"cannot be read as a pickle: .*directory"):
        unpickle(Path())


ARRAYS = numpy_st.arrays(
    st.sampled_from(["?", "i1", "<i4", ">i8", "u2", "f2", "<f4", ">f8", "S3", "<U4", ">U2"]),
    numpy_st.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.text(), inner).map(OrderedDict)
        | st.sets(st.text())
        | st.frozensets(st.integers())
    ),
    max_leaves=10,
)


def same(a: object, b: object) -> bool:
    if isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in b)
    if isinstance(b, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@given(value=VALUES, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_arrays_numbers_strings_and_containers_are_read_as_pickle_reads_them(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert same(read(data), pickle.loads(data))


@given(array=ARRAYS, protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_layouts_and_scalars_are_read_as_pickle_reads_them(array: Any, protocol: int) -> None:
    turned = array.transpose((*range(1, array.ndim), 0)) if array.ndim else array
    for value in (array.T, np.asfortranarray(array), turned, array[..., None][::-1], *array.ravel()):
        data = pickle.dumps(value, protocol)
        mine, numpys = np.asarray(read(data)), np.asarray(pickle.loads(data))
        assert (mine.dtype, mine.shape, mine.tobytes()) == (numpys.dtype, numpys.shape, numpys.tobytes())


def test_a_sample_is_its_attributes() -> None:
    samples = read(joyful_bytes({"train": [{"vid": "a", "label": [1]}]}))["train"]
    assert [(type(sample), sample.attributes) for sample in samples] == [(Sample, {"vid": "a", "label": [1]})]
