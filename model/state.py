"""What an object that takes part in training keeps from step to step, found without its help.

So a strategy of weighting need not say what its state is: what it assigns to itself is kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from model.base import Config

PLAIN = Tensor | float | int | str | None  # bool is an int


def taken(holder: object) -> dict[str, Any]:
    """The attributes that training may change, as ``torch.save`` keeps and ``torch.load`` safely gives them back.

    These are tensors, numbers and text, and lists, tuples and mappings of them. A configuration and a rule, which can
    be called, are as the object was made with them.

    Raises:
        TypeError: an attribute is neither, so that it is not known how to go on with it.
    """
    kept = {name: value for name, value in vars(holder).items() if not isinstance(value, Config | Callable)}
    for name, value in kept.items():
        if not _plain(value):
            raise TypeError(
                f"{type(holder).__name__}.{name} is a {type(value).__name__}, which no checkpoint can keep; use "
                f"tensors, numbers, text, or lists, tuples and mappings of them"
            )
    return kept


def given(holder: object, kept: Mapping[str, Any]) -> None:
    """Set what ``taken`` took of such an object."""
    vars(holder).update(kept)


def _plain(value: object) -> bool:
    if type(value) in (list, tuple):
        return all(map(_plain, value))  # type: ignore[call-overload]
    if type(value) is dict:
        return all(_plain(part) for pair in value.items() for part in pair)
    return isinstance(value, PLAIN)
