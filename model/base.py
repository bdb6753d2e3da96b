"""What every configuration shares, and the one error that bad data raises."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

MOST_LINES, MOST_WIDE = 20, 1000  # of a message


class Config(BaseModel):
    """A frozen, strict setting: no unknown key, no silent conversion, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class InputError(ValueError):
    """Input that cannot be used; what of it the message repeats is shortened, and shown without control characters."""

    def __init__(self, message: str) -> None:
        super().__init__(_readable(message))


class DataError(InputError):
    """A data file that cannot be used; the message says which file, what is wrong and what is allowed."""


def _readable(message: str) -> str:
    lines = message.split("\n")
    shown = [line if len(line) <= MOST_WIDE else f"{line[:MOST_WIDE]}..." for line in lines[:MOST_LINES]]
    rest = [f"... and {len(lines) - len(shown)} more"] if len(lines) > len(shown) else []
    return "\n".join("".join(map(_visible, line)) for line in [*shown, *rest])


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a name that is given twice."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is given twice")
    return values


def kinds(union: Any) -> list[str]:
    """The kinds of a union of configurations, in order."""
    members = get_args(get_args(union)[0])
    return [str(member.model_fields["kind"].default) for member in members]
