"""Name each sample that is embedded by its place in the volume and by all that decides its pixels.

Sample ids name a cube and a slice, and one image has the same at two resolutions and as the first slice of a
subvolume. These names tell such images apart, and those of another volume.
"""

import re
from collections.abc import Mapping

import numpy as np
from mtneuro_data import TaskSpec

from mtneuro_suite._shared.digests import digest
from mtneuro_suite._shared.sample_ids import parsed_ids
from mtneuro_suite.steps.reading import Resampling

_NAME = re.compile(r".+@x\d+(z(?P<depth>\d+))?-[0-9a-f]+", re.DOTALL)

_SHOWN = 8
"""Hexadecimal digits that tell cubes of one name apart."""


def sample_names(
    task: TaskSpec,
    files: Mapping[str, str],
    sample_id: np.ndarray,
    *,
    downsample: int = 1,
    resampling: Resampling = "area",
) -> np.ndarray:
    """Return the names of samples, ``<sample id>@x<reduction>[z<slices>]-<digest>``.

    Parameters
    ----------
    task
        The part of a task that was loaded.
    files
        Digest of each local file that it names.
    sample_id
        Ids of its images, or of their corners.
    downsample
        By how much they are reduced after they were loaded.
    resampling
        How they are then reduced.

    Returns
    -------
    names
        ``(samples,)`` fixed-width unicode, in the order of ``sample_id``.
    """
    cubes = parsed_ids(sample_id).cube.tolist()
    how = () if downsample == 1 else (downsample, resampling)
    tags = {cube: _tag(task, cube, files, downsample, how) for cube in dict.fromkeys(cubes)}
    return np.array([f"{name}@{tags[cube]}" for name, cube in zip(sample_id, cubes, strict=True)], np.str_)


def depth_in(name: str) -> int | None:
    """Return the slices of the sample that a name is of, or None where it is no such name.

    Examples
    --------
    >>> depth_in("A-CTX/z110/tl@x4-0f1e2d3c"), depth_in("A-CTX/z110@x2z8-0f1e2d3c"), depth_in("img_7")
    (1, 8, None)
    """
    found = _NAME.fullmatch(name)
    return None if found is None else int(found["depth"] or 1)


def _tag(
    task: TaskSpec, cube: str, files: Mapping[str, str], downsample: int, how: tuple[object, ...]
) -> str:
    place = task.cubes[cube]
    deep = "" if task.depth == 1 else f"z{task.depth}"
    decisive = {
        # Where a file lies is no matter.
        "image": files.get(task.image, task.image),
        "face": [list(place.y), list(place.x)],
        "intensity": task.intensity,
        "image_type": task.image_type,
        "reduced": [task.downsample, *how],
        "depth": task.depth,
        # A subvolume may then end in the next cube, or be filled up where the last one ends.
        "parts": [part.model_dump(mode="json") for part in task.splits["all"]] if task.across_cubes else None,
    }
    return f"x{task.downsample * downsample}{deep}-{digest(decisive)[:_SHOWN]}"
