"""Text files as people's editors save them."""

import codecs
from pathlib import Path

MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip


class EncodingError(ValueError):
    """A file that is not UTF-8; the message says what it seems to be, and how to change it."""


def read_text(file: Path) -> str:
    """The text of a UTF-8 file, with or without a byte order mark.

    Raises:
        EncodingError: it has another encoding.
        OSError: it cannot be read.
    """
    content = file.read_bytes()
    wide = next((name for mark, name in MARKS.items() if content.startswith(mark)), None)
    if wide is None and b"\0" in content[:100]:
        # Text in a Latin alphabet has a zero in every other byte: which tells the order.
        wide = "UTF-16LE" if content[:100].find(b"\0") % 2 else "UTF-16BE"
    if wide:
        raise EncodingError(f"line 1: the file is {wide}, not UTF-8; {_remedy(wide, file)}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise EncodingError(
            f"line {line}: the byte 0x{content[error.start]:02x} is not UTF-8, but perhaps Latin-1; "
            f"{_remedy('CP1252', file)}"
        ) from error


def _remedy(encoding: str, file: Path) -> str:
    return f"save it as UTF-8 in your editor, or: iconv -f {encoding} -t UTF-8 {file.name} > new.yaml"
