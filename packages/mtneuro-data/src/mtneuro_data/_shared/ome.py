"""OME-Zarr metadata, read and written through the models of yaozarrs."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from .words import one_line

_MICROMETRES = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}
"""Units of length that a voxel may be given in, in micrometres."""

_OLD_AXES = ("t", "c", "z", "y", "x")
"""Axes of every image of OME-Zarr 0.1 and 0.2, which name none."""

BACKGROUND = {"value": 0, "name": "background", "rgba": (0, 0, 0, 0)}
"""The one label that is known of any image of labels; its entry marks the image as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One resolution level of an OME-Zarr image."""

    path: str
    """Path of its array in the group."""

    axes: tuple[str, ...]
    """Names of its axes, in their order."""

    voxel_size_um: tuple[float, float, float] | None
    """Edges of a voxel ``(z, y, x)`` in micrometres; ``None`` where a unit or an axis is missing."""


def levels_of(attributes: Mapping[str, Any], /, *, name: str) -> tuple[Level, ...]:
    """Return the resolution levels that a group's attributes describe, the finest first.

    Parameters
    ----------
    attributes
        The group's attributes, of OME-Zarr 0.1 to 0.5.
    name
        What to call the group in an error.

    Raises
    ------
    ValueError
        If they describe no image, or more than one, or break the specification.

    Examples
    --------
    >>> about = {"ome": multiscales("image", [(0.04, 0.004, 0.004)])}
    >>> levels_of(about, name="brain.zarr")[0].voxel_size_um
    (0.04, 0.004, 0.004)
    """
    described = attributes.get("ome", attributes)
    found = described.get("multiscales") if isinstance(described, Mapping) else None
    if not isinstance(found, Sequence) or not found:
        raise ValueError(f"{name} must be a Zarr array or an OME-Zarr image, got a group without multiscales")
    if len(found) > 1:
        raise ValueError(f"{name} must hold one image, got {len(found)} multiscales; name the array of one")
    if _is_old(found[0]):
        return _old_levels(found[0], name)
    image = _validated(found[0], name, version="v05" if "ome" in attributes else "v04")
    common = image.coordinateTransformations or []
    return tuple(
        Level(
            path=dataset.path,
            axes=tuple(axis.name for axis in image.axes),
            voxel_size_um=_micrometres(image.axes, [*dataset.coordinateTransformations, *common]),
        )
        for dataset in image.datasets
    )


def level_number(levels: Sequence[Level], level: str | None, /, *, name: str) -> int:
    """Return which of the levels a text names by its number; the finest by default.

    Raises
    ------
    ValueError
        If there is no such level.
    """
    at = 0 if level is None else int(level) if level.isdecimal() else -1
    if not 0 <= at < len(levels):
        raise ValueError(f"the level of {name} must lie within [0, {len(levels)}), got #{level}")
    return at


def is_of_labels(attributes: Mapping[str, Any], /) -> bool:
    """Return whether a group's attributes describe an image of labels.

    Examples
    --------
    >>> is_of_labels({"ome": multiscales("cells", [(1, 1, 1)], labels=[BACKGROUND])})
    True
    """
    described = attributes.get("ome", attributes)
    return isinstance(described, Mapping) and "image-label" in described


def multiscales(
    name: str,
    scales: Sequence[Sequence[float]],
    /,
    *,
    unit: bool = True,
    labels: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the attribute ``ome`` of an OME-Zarr 0.5 group whose levels are the arrays ``0``, ``1``, ...

    Parameters
    ----------
    name
        Name of the image.
    scales
        Edges of a voxel of each level in micrometres, ``(z, y, x)`` or ``(class, z, y, x)``.
    unit
        Whether the edges are known; without it they are ratios between the levels.
    labels
        For an image of labels, each label's value, name and colour: ``{"value": 1, "name": "vessel", "rgba":
        (255, 0, 0, 255)}``.
    """
    from yaozarrs import v05

    lead = [{"name": "class", "type": "channel"}][: len(scales[0]) - 3]
    space = [{"name": axis, "type": "space"} | ({"unit": "micrometer"} if unit else {}) for axis in "zyx"]
    image = v05.Multiscale.model_validate(
        {
            "name": name,
            "axes": [*lead, *space],
            "datasets": [
                {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}
                for level, scale in enumerate(scales)
            ],
        }
    )
    described = image.model_dump(mode="json", exclude_none=True)
    about: dict[str, Any] = {"version": "0.5", "multiscales": [described]}
    if labels is not None:
        # A class is a property of our own, which the models would leave out: they only check.
        about["image-label"] = {
            "colors": [{"label-value": label["value"], "rgba": list(label["rgba"])} for label in labels],
            "properties": [{"label-value": label["value"], "class": label["name"]} for label in labels],
        }
        v05.ImageLabel.model_validate(about["image-label"])
    return about


def voxel_size(values: Any, /, *, name: str) -> tuple[float, float, float] | None:
    """Return a stored voxel size ``(z, y, x)`` as three numbers of micrometres; ``None`` stays ``None``.

    Raises
    ------
    ValueError
        If it is anything but three positive numbers.

    Examples
    --------
    >>> voxel_size([2, 1, 1], name="brain.zarr")
    (2.0, 1.0, 1.0)
    """
    if values is None:
        return None
    try:
        z, y, x = (float(value) for value in values)
    except (TypeError, ValueError):
        z = y = x = math.nan
    if not all(math.isfinite(edge) and edge > 0 for edge in (z, y, x)):
        raise ValueError(f"voxel_size_um of {name} must be three positive numbers (z, y, x), got {values}")
    return z, y, x


def _validated(described: Any, name: str, *, version: str) -> Any:
    import yaozarrs

    try:
        with warnings.catch_warnings():
            # A unit that the specification does not list is allowed; the voxel size is then unknown.
            warnings.simplefilter("ignore")
            return getattr(yaozarrs, version).Multiscale.model_validate(described)
    except ValidationError as error:
        raise ValueError(f"the OME-Zarr metadata of {name} are not valid: {one_line(error)}") from None


def _is_old(described: Any) -> bool:
    """Return whether an image is of OME-Zarr 0.1 to 0.3, whose axes are names or none and have no scale."""
    axes: Any = described.get("axes") if isinstance(described, Mapping) else ()
    return axes is None or (isinstance(axes, Sequence) and any(isinstance(axis, str) for axis in axes))


def _old_levels(described: Mapping[str, Any], name: str) -> tuple[Level, ...]:
    try:
        paths = [str(dataset["path"]) for dataset in described["datasets"]]
    except (KeyError, TypeError):
        raise ValueError(f"the OME-Zarr metadata of {name} are not valid: they name no datasets") from None
    axes = tuple(map(str, described.get("axes") or _OLD_AXES))
    return tuple(Level(path=path, axes=axes, voxel_size_um=None) for path in paths)


def _micrometres(axes: Sequence[Any], transformations: Sequence[Any]) -> tuple[float, float, float] | None:
    edges: dict[str, float] = {}
    for place, axis in enumerate(axes):
        factors = [change.scale[place] for change in transformations if change.type == "scale"]
        length = math.prod(factors) * _MICROMETRES.get(axis.unit or "", math.nan)
        if axis.type == "space" and math.isfinite(length) and length > 0:
            edges[axis.name.lower()] = length
    return (edges["z"], edges["y"], edges["x"]) if {"z", "y", "x"} <= edges.keys() else None
