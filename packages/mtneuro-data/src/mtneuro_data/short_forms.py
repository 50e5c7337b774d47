"""What a task may leave out, and how it is filled in: regions, the cubes of a part, classes by name."""

from collections.abc import Mapping
from typing import Any

from mtneuro_data._shared.words import unknown_name

REGION = "volume"
"""Name of the region of a task that names none."""

BACKGROUND = "background"
"""Name of class 0 of a task that names its classes in its label map alone."""


def in_full(values: Mapping[str, Any], /) -> dict[str, Any]:
    """Return the values of a task with what it leaves out filled in.

    - ``regions``, if left out, are those that the cubes name, in order, or else one called ``volume``. Where
      there is one region, cubes need not name it.
    - A part of a split without ``cubes`` takes all of them, in their order.
    - ``label_map`` and ``roi_map`` may give names in place of numbers: of ``class_names`` and of ``regions``.
      Without ``class_names`` they are ``background`` and then those that the label map gives, in order.

    What has another form than a task is left as it is, for the task's own checks.

    Raises
    ------
    ValueError
        If a label map gives a name that the task does not have.

    Examples
    --------
    >>> in_full({"cubes": {"A": {"y": (0, 8), "x": (0, 8)}}, "splits": {"all": [{"z": (0, 4)}]}})["splits"]
    {'all': [{'cubes': ('A',), 'z': (0, 4)}]}
    >>> in_full({"label_map": {"*": "neuron", 5: "glia"}})["class_names"]
    ('background', 'neuron', 'glia')
    """
    full = dict(values)
    cubes = full.get("cubes")
    if isinstance(cubes, Mapping):
        _put_regions(full, cubes)
        _put_cubes(full, tuple(cubes))
    if not full.get("class_names") and isinstance(full.get("label_map"), Mapping):
        named = [value for value in full["label_map"].values() if isinstance(value, str)]
        if named and not any(map(_is_number, named)):
            full["class_names"] = tuple(dict.fromkeys((BACKGROUND, *named)))
    for key, names in (("label_map", "class_names"), ("roi_map", "regions")):
        if isinstance(full.get(key), Mapping):
            full[key] = _numbered(key, full[key], full.get(names) or (), names)
    return full


def _put_regions(full: dict[str, Any], cubes: Mapping[str, Any]) -> None:
    named = [region for cube in cubes.values() if (region := _held(cube, "region"))]
    if "regions" not in full:
        # Where some cubes name a region and some do not, it is not known whether they share it.
        some = named and len(named) < len(cubes)
        full["regions"] = tuple(dict.fromkeys([*named, ""] if some else named)) or (REGION,)
    regions = full["regions"]
    if isinstance(regions, list | tuple) and len(regions) == 1:
        full["cubes"] = {name: _filled(cube, "region", regions[0]) for name, cube in cubes.items()}


def _put_cubes(full: dict[str, Any], names: tuple[str, ...]) -> None:
    splits = full.get("splits")
    if isinstance(splits, Mapping):
        full["splits"] = {
            split: [_filled(part, "cubes", names) for part in parts]
            if isinstance(parts, list | tuple)
            else parts
            for split, parts in splits.items()
        }


def _numbered(key: str, table: Mapping[Any, Any], names: Any, of: str) -> dict[Any, Any]:
    numbers = {name: at for at, name in enumerate(names)} if isinstance(names, list | tuple) else {}
    numbered: dict[Any, Any] = {}
    for raw, value in table.items():
        if isinstance(value, str) and value not in numbers and not _is_number(value):
            if not numbers:
                raise ValueError(f'{key} gives the name "{value}", so {of} must name it, got none')
            raise ValueError(unknown_name(f"a name that {key} gives to {raw}", value, numbers))
        numbered[raw] = numbers.get(value, value) if isinstance(value, str) else value
    return numbered


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _held(part: Any, key: str) -> Any:
    return part.get(key) if isinstance(part, Mapping) else getattr(part, key, None)


def _filled(part: Any, key: str, value: Any) -> Any:
    """Return a cube or a part of a split with a field set, if it was left out."""
    if isinstance(part, Mapping):
        return {key: value, **part}
    return part.model_copy(update={key: value}) if getattr(part, key, None) in ("", ()) else part
