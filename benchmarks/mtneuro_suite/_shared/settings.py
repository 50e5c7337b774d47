"""Settings: a strict, frozen base model, files in TOML or JSON, and changes given as ``key=value``."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

from .bounds import check_file
from .words import unknown_name


class Settings(BaseModel):
    """A frozen model that refuses unknown keys and names the nearest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """New names of settings by the old ones, which older files still have."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = {cls.renamed.get(key, key): value for key, value in values.items()}
        for key in values:
            if key not in cls.model_fields:
                raise ValueError(unknown_name("a key", str(key), cls.model_fields))
        return values


def read_values(path: str | os.PathLike[str], /) -> dict[str, Any]:
    """Return the values of a settings file, ``.toml`` or ``.json``.

    TOML has no null: the word ``"none"`` stands for it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If its name ends otherwise, it is no table of values, or it is larger than the memory at hand.
    """
    source = Path(path)
    if source.suffix not in (".toml", ".json"):
        raise ValueError(f"a settings file must end in .toml or .json, got {source}")
    if not source.is_file():
        raise FileNotFoundError(f"no file at {source}; check the path")
    check_file(source)
    try:
        text = source.read_text(encoding="utf-8")
        values = tomllib.loads(text) if source.suffix == ".toml" else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{source} must be {source.suffix[1:].upper()}: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{source} must hold a table of settings, got {type(values).__name__}")
    return _without_words(values)


def changed_values(values: Mapping[str, Any], changes: Iterable[str], /) -> dict[str, Any]:
    """Return values with some changed by ``key=value``, where a dotted key reaches into a table.

    A value is read as TOML writes it; a word needs no quotes, and ``none`` is None.

    Raises
    ------
    ValueError
        If a change is not of that form.

    Examples
    --------
    >>> changed_values({"epochs": 5}, ["epochs=20", "views.flip=0.5", "device=cpu", "steps=none"])
    {'epochs': 20, 'views': {'flip': 0.5}, 'device': 'cpu', 'steps': None}
    """
    changed: dict[str, Any] = dict(values)
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not all(key.split(".")):
            raise ValueError(f"--set takes key=value, such as epochs=20, got {change!r}")
        *tables, name = key.split(".")
        inner = changed
        for table in tables:
            held = inner.get(table)
            inner[table] = dict(held) if isinstance(held, Mapping) else {}
            inner = inner[table]
        inner[name] = _value(text)
    return changed


def settings_list(model: type[BaseModel], /, *, table: str = "") -> str:
    """Return the settings of a model as a Markdown list, for a help text: name, default and meaning.

    Parameters
    ----------
    model
        The settings; inner models are listed under dotted names.
    table
        Name before the dot, where the model is an inner one.
    """
    lines: list[str] = []
    for name, field in model.model_fields.items():
        key = f"{table}.{name}" if table else name
        if isinstance(field.default, BaseModel):
            lines.append(settings_list(type(field.default), table=key))
        else:
            value = "none" if field.default is None else field.default
            told = value if isinstance(value, str) else json.dumps(value)
            meaning = " ".join((field.description or "").split())
            choices = _choices(field.annotation)
            if any(word not in meaning for word in choices):
                meaning = f"{meaning} One of {', '.join(choices)}.".lstrip()
            lines.append(f"- `{key}={told}`: {meaning}")
    return "\n".join(lines)


def _choices(annotation: Any) -> list[str]:
    """Return the words that a type allows, if it is a choice of words, or of none and words."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation, *others) = (kind for kind in get_args(annotation) if kind is not NoneType)
        annotation = None if others else annotation
    return list(map(str, get_args(annotation))) if get_origin(annotation) is Literal else []


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    return None if value == "none" else value


def _without_words(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_words(value) if isinstance(value, dict) else None if value == "none" else value
        for key, value in values.items()
    }
