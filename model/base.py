"""What every configuration shares, and the one error that bad data raises."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen, strict setting: no unknown key, no silent conversion, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataError(ValueError):
    """A data file that cannot be used; the message says which file, what is wrong and what is allowed."""


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
