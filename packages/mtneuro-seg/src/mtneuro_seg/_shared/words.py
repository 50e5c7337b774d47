"""Error messages: the nearest known name, and any error as one line."""

import difflib
import re
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

_LISTED, _LISTED_WITH_HINT = 40, 20
"""Most names that a message lists, without and with the one that was probably meant."""

_RULES = {
    "missing": "must be given",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    "string_type": "must be text",
}
"""Rules of pydantic by their names, in plainer words than its own."""


def unknown_name(what: str, name: str, allowed: Iterable[str]) -> str:
    """Return the message that refuses an unknown name: what is allowed, and which name was probably meant.

    A long list of names is counted, not written out.

    Examples
    --------
    >>> unknown_name("split", "tset", ["train", "val", "test"])
    "split must be one of train, val, test, got 'tset'; did you mean 'test'?"
    """
    names = list(allowed)
    by_case = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), by_case, n=1)
    hint = f"; did you mean {by_case[near[0]]!r}?" if near else ""
    most = _LISTED_WITH_HINT if near else _LISTED
    known = ", ".join(names) if len(names) <= most else f"{len(names)} known names"
    return f"{what} must be one of {known}, got {name!r}{hint}"


def one_line(error: BaseException) -> str:
    r"""Return an error's message on one line: where it is, what is wrong, what was got.

    Examples
    --------
    >>> one_line(ValueError("a corner\nis three numbers"))
    'a corner is three numbers'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "brain.zarr"))
    'No such file or directory: brain.zarr'
    >>> one_line(ValueError("it cannot be read: [Errno 28] No space left on device"))
    'it cannot be read: No space left on device'
    """
    # Libraries put the system's numbers into texts of their own.
    return " ".join(re.sub(r"\[Errno -?\d+\] ?", "", _message(error)).split())


def _message(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(_fault(dict(fault)) for fault in error.errors(include_url=False))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return str(error)


def _fault(fault: dict[str, object]) -> str:
    """Return one fault of a pydantic model: its place, the rule, and the value."""
    location = fault["loc"]
    place = ".".join(map(str, location)) if isinstance(location, tuple) else ""
    text = _RULES.get(str(fault["type"])) or str(fault["msg"])
    text = text.removeprefix("Value error, ").replace("Input should be ", "must be ")
    value = fault.get("input")
    # A validator of our own names the value itself, and often the key; where a whole model or a whole
    # file is at fault, it is too long to show.
    ours = fault["type"] == "value_error"
    told = ours or fault["type"] == "json_invalid" or isinstance(value, (dict, BaseModel))
    placed = not place or (ours and text.startswith(f"{place} "))
    joined = f"{place} " if text.startswith("must ") else f"{place}: "
    return ("" if placed else joined) + text + ("" if told else f", got {value!r}")
