"""The base of every settings model: frozen, strict, and helpful about a mistyped key."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

__all__ = ["Settings", "nearest", "summary"]


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return the end of an error message: the likely meaning of a name, and what is allowed.

    Examples
    --------
    >>> nearest("tset", ["train", "val", "test"])
    'did you mean "test"? Allowed: test, train, val'
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    return (f'did you mean "{close[0]}"? ' if close else "") + "Allowed: " + ", ".join(names)


class Settings(BaseModel):
    """A frozen model that refuses unknown keys, naming the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f'unknown key "{key}"; {nearest(str(key), cls.model_fields)}')
        return values


def summary(error: ValidationError) -> str:
    """Return a validation error on one line: where, what is wrong, what was got."""
    lines: list[str] = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        # A model's own validators name the value themselves; the input is then the whole model.
        got = "" if isinstance(item["input"], (dict, BaseModel)) else f", got {item['input']!r}"
        if item["type"] == "value_error":
            got = ""
        lines.append(f"{place}: {text}{got}" if place else f"{text}{got}")
    return "; ".join(lines)
