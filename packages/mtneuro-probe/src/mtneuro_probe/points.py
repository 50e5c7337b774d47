"""Point clouds of label images: the class, the place and the size of every cell, vessel or other object."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64

from mtneuro_probe._shared.bounds import check_memory
from mtneuro_probe._shared.files import written_beside
from mtneuro_probe._shared.ome import voxel_size
from mtneuro_probe._shared.volume_file import LazyArray, opened_archive
from mtneuro_probe.measures.label_images import LabelImages, corner_crops
from mtneuro_probe.measures.table import (
    check_images,
    check_values,
    checked_connectivity,
    checked_index,
    checked_spacing,
)
from mtneuro_probe.registry import LABEL_VALUES, distinct_values
from mtneuro_probe.types import rows_at_once

COLUMNS = ("class", "y", "x", "size")
"""What a point has."""

MOST_POINTS = 4096
"""Points of an image at most, where nothing else is said."""

_PIXELS_AT_ONCE = 1 << 19

FORMAT_VERSION = 1
"""Version of the .npz files of point clouds."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PointClouds:
    """One cloud of points an image, and what the images are.

    Examples
    --------
    >>> image = np.zeros((1, 5, 5), np.uint8)
    >>> image[0, 2, 2:4] = 2
    >>> clouds = point_clouds(image, {"cell": 2}, sample_id=["A-CTX/z110"], voxel_size_um=(2, 2, 2))
    >>> clouds.points[0].tolist(), clouds.class_names
    ([[1.0, 0.0, 1.0, 8.0]], ('background', 'cell'))
    """

    points: Float32[np.ndarray, "images most 4"]
    """Class, y, x and size of each object, in the order of these four; rows of zeros fill up an image that
    has fewer objects than another. y and x are the centroid's distance from the middle of the image in µm,
    the size is an area in µm²; in pixels where ``voxel_size_um`` is None."""

    sample_id: np.ndarray
    """Id of each image, ``(images,)`` unicode."""

    class_names: tuple[str, ...]
    """Names of the classes; a class's position is its number, and 0, ``background``, is no point."""

    voxel_size_um: tuple[float, float, float] | None = None
    """Edges of a voxel ``(z, y, x)`` of the images in micrometres."""

    region: Int64[np.ndarray, " images"] | None = None
    """Region of each image, where it is known."""

    region_names: tuple[str, ...] | None = None
    """Names of the regions."""

    def __post_init__(self) -> None:
        _check_clouds(self)

    def __len__(self) -> int:
        return len(self.points)

    @property
    def count(self) -> Int64[np.ndarray, " images"]:
        """Number of points of each image."""
        return (self.points[:, :, 0] > 0).sum(axis=1)

    def counts(self) -> Float64[np.ndarray, "images classes"]:
        """Return the number of points of each class in each image, the background left out."""
        return np.stack([self._of(number).sum(axis=1) for number in self._numbers], axis=1).astype(np.float64)

    def mean_sizes(self) -> Float64[np.ndarray, "images classes"]:
        """Return the mean size of each class's points in each image, 0 where it has none."""
        size = self.points[:, :, 3].astype(np.float64)
        total = np.stack([(size * self._of(number)).sum(axis=1) for number in self._numbers], axis=1)
        return total / np.maximum(self.counts(), 1)

    @property
    def _numbers(self) -> range:
        return range(1, len(self.class_names))

    def _of(self, number: int) -> np.ndarray:
        return self.points[:, :, 0] == number


def _check_clouds(clouds: PointClouds) -> None:
    points, n_classes = clouds.points, len(clouds.class_names)
    if points.dtype != np.float32 or points.ndim != 3 or points.shape[2] != len(COLUMNS):
        raise ValueError(
            f"points must be float32 (images, points, {len(COLUMNS)}), "
            f"got {points.dtype} of shape {points.shape}"
        )
    for what, values in (("sample_id", clouds.sample_id), ("region", clouds.region)):
        if values is not None and values.shape != (len(points),):
            raise ValueError(f"{what} must have one entry an image, got {len(values)} for {len(points)}")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite, got nan or inf")
    number = points[:, :, 0]
    if n_classes < 2 or not np.isin(number, np.arange(n_classes)).all():
        raise ValueError(
            f"the class of a point must be a whole number below {n_classes}, the number of class_names with "
            f"the background, got {number.min():g} to {number.max():g}"
        )


def point_clouds(
    labels: LazyArray,
    label_values: Mapping[str, int] | None = None,
    *,
    instances: str | None = None,
    sample_id: Sequence[str] | np.ndarray | None = None,
    voxel_size_um: Sequence[float] | Float[np.ndarray, "3"] | None = None,
    connectivity: int | None = None,
    corners: bool = False,
    ignore: Sequence[int] = (),
    minimum_area_px: int = 1,
    most_points: int = MOST_POINTS,
    region: Int64[np.ndarray, " images"] | None = None,
    region_names: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PointClouds:
    """Return the point cloud of each label image: a point for each connected component, or instance.

    Parameters
    ----------
    labels
        Integer label images ``(images, y, x)``, 0 = background: an array, or anything that is sliced like
        one; truth or a segmentation network's prediction.
    label_values
        Name and value of each label whose objects are points, by default ``LABEL_VALUES``, or none where
        there are instances. The first is class 1.
    instances
        Name of objects that the labels tell apart themselves, as ids of instances do: every value but 0,
        ``label_values`` and ``ignore`` is one object. Theirs is the last class.
    sample_id, voxel_size_um, ignore, minimum_area_px
        As in ``semantic_features``.
    connectivity
        8 joins pixels that meet at a corner, 4 does not; by default 8.
    corners
        Give the clouds of the four corners of each image, each about its own middle.
    most_points
        Points of an image at most.
    region, region_names
        Region of each image, and the names of the regions, to be kept with the clouds.
    progress
        Called with the number of images done and of all images.

    Returns
    -------
    clouds
        A point is ``(class, y, x, size)``: the centroid's distance from the middle of the image in µm and
        the area in µm², in pixels without a voxel size. Points are in the order of these four numbers, so
        equal images have equal clouds.

    Raises
    ------
    ValueError
        If the labels are no stack of integer images or hold a value that nothing names, an image has more
        points than ``most_points``, no image has any, or a setting is outside its range.

    Examples
    --------
    >>> image = np.zeros((1, 3, 5), np.uint8)
    >>> image[0, 1, [0, 4]] = 2
    >>> image[0, 0, :3] = 1
    >>> point_clouds(image, {"vessel": 1, "cell": 2}, connectivity=4).points[0].tolist()
    [[1.0, -1.0, -1.0, 3.0], [2.0, 0.0, -2.0, 1.0], [2.0, 0.0, 2.0, 1.0]]
    """
    check_images(labels)
    if label_values is None:
        label_values = LABEL_VALUES if instances is None else {}
    values = distinct_values(label_values, instances=instances)
    names = (*values, *([] if instances is None else [instances]))
    for what, number in (("minimum_area_px", minimum_area_px), ("most_points", most_points)):
        if number < 1:
            raise ValueError(f"{what} must be at least 1, got {number}")
    joined, spacing = checked_connectivity(connectivity, "2d"), checked_spacing(voxel_size_um)
    n_images, parts = labels.shape[0], 4 if corners else 1
    index = checked_index(sample_id, n_images, corners=corners)
    step = rows_at_once(labels, elements=_PIXELS_AT_ONCE)
    homes: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for start in range(0, n_images, step):
        batch = np.asarray(labels[start : start + step])
        check_values(batch, values, ignore, instances=instances)
        images = LabelImages(
            labels=corner_crops(batch) if corners else batch,
            values=values,
            spacing_um=spacing,
            connectivity=joined,
            instances=instances,
            known=ignore,
            minimum_area_px=minimum_area_px,
        )
        home, found = _objects(images, names)
        homes.append(parts * start + home)
        rows.append(found)
        if progress is not None:
            progress(min(start + step, n_images), n_images)
    points = _padded(
        np.concatenate(homes), np.concatenate(rows), index.to_numpy(), names=names, most_points=most_points
    )
    size = None if voxel_size_um is None else np.asarray(voxel_size_um, np.float64).tolist()
    return PointClouds(
        points=points,
        sample_id=np.asarray(index, dtype=np.str_),
        class_names=("background", *names),
        voxel_size_um=None if size is None else tuple(size),
        region=None if region is None else np.repeat(np.asarray(region, np.int64), parts),
        region_names=None if region_names is None else tuple(map(str, region_names)),
    )


def _objects(
    images: LabelImages, names: Sequence[str]
) -> tuple[Int64[np.ndarray, " objects"], Float64[np.ndarray, "objects 4"]]:
    """Return the image and the point of each object, in order."""
    middle = (np.array(images.labels.shape[1:]) - 1) / 2
    homes: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for number, name in enumerate(names, start=1):
        found = images.components(name)
        place = (found.centroid_px - middle) * images.spacing_um
        area = found.area_px * images.spacing_um.prod()
        homes.append(found.image)
        rows.append(np.column_stack([np.full(len(area), float(number)), place, area]))
    home, points = np.concatenate(homes), np.concatenate(rows)
    order = np.lexsort((*points.T[::-1], home))
    return home[order], points[order]


def _padded(
    home: Int64[np.ndarray, " objects"],
    points: Float64[np.ndarray, "objects 4"],
    ids: np.ndarray,
    *,
    names: Sequence[str],
    most_points: int,
) -> Float32[np.ndarray, "images most 4"]:
    """Return the points of each image, filled up with rows of zeros to the largest cloud."""
    count = np.bincount(home, minlength=len(ids))
    if not len(home):
        raise ValueError(
            f"labels must hold an object of {', '.join(names)}, got none in {len(ids)} images: name the "
            "labels that they have, or lower the smallest area"
        )
    if (most := int(count.max())) > most_points:
        raise ValueError(
            f"an image must have {most_points} points at most, got {most} in {ids[int(count.argmax())]}: "
            "leave small objects out (--minimum-area-px, minimum_area_px=), or raise the limit "
            "(--most-points, most_points=)"
        )
    check_memory("the point clouds", len(ids) * most * len(COLUMNS) * 4)
    padded = np.zeros((len(ids), most, len(COLUMNS)), dtype=np.float32)
    padded[home, np.arange(len(home)) - (np.cumsum(count) - count)[home]] = points
    return padded


def save_point_clouds(path: str | os.PathLike[str], clouds: PointClouds) -> None:
    """Write a file of point clouds, an ``.npz`` of plain arrays, whole or not at all.

    Its arrays are ``format_version`` (1), ``points``, ``count``, ``sample_id``, ``class_names`` and, where
    they are known, ``voxel_size_um``, ``region`` and ``region_names``.

    Raises
    ------
    ValueError
        If the path does not end in ``.npz``.
    OSError
        If the file cannot be written.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"a file of point clouds must end in .npz, got {path}")
    content: dict[str, Any] = {
        "format_version": np.int64(FORMAT_VERSION),
        "points": clouds.points,
        "count": clouds.count,
        "sample_id": clouds.sample_id,
        "class_names": clouds.class_names,
        "voxel_size_um": clouds.voxel_size_um,
        "region": clouds.region,
        "region_names": clouds.region_names,
    }
    with written_beside(path) as beside:
        np.savez_compressed(beside, **{name: value for name, value in content.items() if value is not None})


def load_point_clouds(path: str | os.PathLike[str]) -> PointClouds:
    """Return the content of a file of point clouds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is none of this format, or its arrays do not fit one another.
    """
    with opened_archive(path, what="a file of point clouds, as mtneuro-probe points writes") as archive:
        missing = {"format_version", "points", "sample_id", "class_names"} - set(archive)
        if missing:
            raise ValueError(f"it holds no {', '.join(sorted(missing))}")
        if int(archive["format_version"]) != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, got {archive['format_version']}")
        region, regions = archive.get("region"), archive.get("region_names")
        return PointClouds(
            points=archive["points"],
            sample_id=archive["sample_id"],
            class_names=tuple(map(str, archive["class_names"])),
            voxel_size_um=voxel_size(archive.get("voxel_size_um"), name=str(path)),
            region=None if region is None else region.astype(np.int64),
            region_names=None if regions is None else tuple(map(str, regions)),
        )
