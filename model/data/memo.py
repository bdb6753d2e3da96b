"""Looks through a pickle, without executing it, for what would make the unpickler use up the memory.

The unpickler keeps the memo in an array as long as the largest place that the file names: five bytes are enough to ask
for 64 GB.
"""

import mmap
import pickle
import pickletools

NEWLINE, PAIR = pickletools.UP_TO_NEWLINE, "stringnl_noescape_pair"
WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}  # bytes of the length of an argument
ARGUMENTS = {ord(opcode.code): opcode.arg for opcode in pickletools.opcodes}
SIZES = {code: argument.n if argument else 0 for code, argument in ARGUMENTS.items()}
PAIRS = {code for code, argument in ARGUMENTS.items() if argument and argument.name == PAIR}
PUT, BINPUT, LONG_BINPUT, STOP = pickle.PUT[0], pickle.BINPUT[0], pickle.LONG_BINPUT[0], pickle.STOP[0]
PUTS = {PUT, BINPUT, LONG_BINPUT}


def check_memo(data: bytes | mmap.mmap) -> None:
    """Refuse a place in the memo beyond the bytes before it: each object that is kept took at least one.

    What is no pickle otherwise is left to the unpickler to say.

    Raises:
        UnpicklingError: there is such a place.
    """
    position, end = 0, len(data)
    while position < end:
        code, start = data[position], position + 1
        size = SIZES.get(code)
        if size is None or code == STOP:
            return
        position = start + size if size >= 0 else _after(data, code, size, start)
        if code in PUTS and position:
            place = data[start:position]
            if (_decimal(place) if code == PUT else int.from_bytes(place, "little")) > start:
                raise pickle.UnpicklingError(f"byte {start - 1} names a place in the memo that is too large")
        if not position:
            return


def _after(data: bytes | mmap.mmap, code: int, size: int, start: int) -> int:
    """Where an argument of no fixed size ends; 0 if it does not."""
    if size != NEWLINE:
        width = WIDTHS[size]
        return start + width + int.from_bytes(data[start : start + width], "little")
    if code in PAIRS:
        start = data.find(b"\n", start) + 1
        if not start:
            return 0
    return data.find(b"\n", start) + 1


def _decimal(text: bytes) -> int:
    """Any other text the unpickler refuses."""
    digits = text.strip()
    return int(digits[:20]) if digits.isdigit() else 0
