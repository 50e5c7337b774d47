"""A task's images and labels in memory as plain arrays, and the file that holds them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Real, UInt8, UInt64

from mtneuro_data._shared.files import written_beside
from mtneuro_data._shared.ome import voxel_size
from mtneuro_data._shared.volume_file import opened_archive, stored_window
from mtneuro_data.reduction import CORNERS, four_corners

FORMAT_VERSION = 1
"""Version of the images file."""

UNLABELLED = 255
"""Value of a mask where the volume has no label: in slices that the last subvolume of a split lacks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TaskArrays:
    """The images of one or several splits of a task.

    Examples
    --------
    >>> arrays = TaskArrays(
    ...     images=np.zeros((1, 4, 4), np.uint8), region=np.array([2]), masks=None,
    ...     sample_id=np.array(["A-VP/z110"]), region_names=("CTX", "STR", "VP", "ZI"),
    ...     class_names=(), voxel_size_um=(1.17, 1.17, 1.17), fingerprint="0" * 16)
    >>> arrays.corners().sample_id
    array(['A-VP/z110/tl', 'A-VP/z110/tr', 'A-VP/z110/bl', 'A-VP/z110/br'], dtype='<U12')
    """

    images: Real[np.ndarray, "n *zyx"]
    """``(n, y, x)``, or ``(n, z, y, x)`` for subvolumes. `load` returns uint8, or float32 in [0, 1]."""

    region: Int64[np.ndarray, " n"]
    """Each image's region, an index into ``region_names``."""

    masks: UInt8[np.ndarray, "n *zyx"] | None
    """Each pixel's class, an index into ``class_names``, or `UNLABELLED`; ``None`` in a task of regions."""

    sample_id: np.ndarray
    """``<cube>/z<z>``, with ``/tl``, ``/tr``, ``/bl`` or ``/br`` for a corner."""

    region_names: tuple[str, ...]
    """Names of the regions."""

    class_names: tuple[str, ...]
    """Names of the pixel classes; empty in a task of regions."""

    voxel_size_um: tuple[float, float, float] | None
    """Edges of a voxel of these images in micrometres, ``(z, y, x)``; ``None`` where nobody states them."""

    fingerprint: str
    """Identifies the task that the images belong to."""

    intensity: tuple[float, float] | None = None
    """The intensities that became black and white; ``None`` where the images are as they were stored."""

    instances: UInt64[np.ndarray, "n *zyx"] | None = None
    """Id of each pixel's object in the label volume, 0 outside the class that the task calls ``instances``;
    ``None`` where it calls none so."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.ndim not in (3, 4):
            raise ValueError(f"images must be (n, y, x) or (n, z, y, x), got the shape {self.images.shape}")
        if self.region.shape != (n,) or self.sample_id.shape != (n,):
            raise ValueError(
                f"{n} images need as many regions and names, got {len(self.region)} and {len(self.sample_id)}"
            )
        for name, labels in (("masks", self.masks), ("instances", self.instances)):
            if labels is not None and labels.shape != self.images.shape:
                raise ValueError(
                    f"{name} must have the images' shape {self.images.shape}, got {labels.shape}"
                )

    def class_shares(self) -> dict[str, dict[str, float]]:
        """Return each class's share of the pixels, by region and class; empty without masks.

        The paper's appendix 4.2.3 lists them for its cubes.
        """
        if self.masks is None:
            return {}
        shares: dict[str, dict[str, float]] = {}
        for place, region in enumerate(self.region_names):
            masks = self.masks[self.region == place]
            if len(masks):
                labelled = np.count_nonzero(masks < len(self.class_names))
                shares[region] = {
                    name: float(np.count_nonzero(masks == value) / labelled)
                    for value, name in enumerate(self.class_names)
                }
        return shares

    def __len__(self) -> int:
        return len(self.images)

    def corners(self) -> "TaskArrays":
        """Return the four corners of every image, the four of one image one after another."""
        names = np.array([f"{name}/{corner}" for name in self.sample_id for corner in CORNERS])
        return replace(
            self,
            images=_corner_rows(self.images),
            masks=None if self.masks is None else _corner_rows(self.masks),
            instances=None if self.instances is None else _corner_rows(self.instances),
            region=np.repeat(self.region, 4),
            sample_id=names,
        )

    @classmethod
    def read(cls, path: str | Path, /) -> "TaskArrays":
        """Return the arrays of a file that `save` wrote.

        Raises
        ------
        ValueError
            If the file is not an images file of this version, or larger than the memory at hand.
        OSError
            If it cannot be read.
        """
        with opened_archive(path, what="an images file of this version") as content:
            if int(content["format_version"]) != FORMAT_VERSION:
                raise ValueError(f"format_version must be {FORMAT_VERSION}, got {content['format_version']}")
            return cls(
                images=content["images"],
                region=content["region"],
                masks=content.get("masks"),
                sample_id=content["sample_id"],
                region_names=tuple(content["region_names"].tolist()),
                class_names=tuple(content["class_names"].tolist()),
                voxel_size_um=voxel_size(content.get("voxel_size_um"), name=str(path)),
                fingerprint=str(content["fingerprint"]),
                intensity=stored_window(content.get("intensity"), name=str(path)),
                instances=content.get("instances"),
            )

    @classmethod
    def joined(cls, parts: Sequence["TaskArrays"], /) -> "TaskArrays":
        """Concatenate arrays in order; names, voxel size and fingerprint are those of the first.

        One part is returned as it is, not copied.

        Raises
        ------
        ValueError
            If there are none, or they differ in names, in voxel size, in image shape, in the window of
            intensities or in having masks or instances.
        """
        if not parts:
            raise ValueError("need arrays to join, got none")
        kinds = {
            (
                one.region_names,
                one.class_names,
                one.voxel_size_um,
                one.images.shape[1:],
                one.masks is None,
                one.instances is None,
                one.intensity,
                str(one.images.dtype),
            )
            for one in parts
        }
        if len(kinds) > 1:
            got = "; ".join(sorted(map(str, kinds)))
            raise ValueError(
                "arrays must agree in names, voxel size, image shape, intensities, masks and instances, "
                f"got {got}"
            )
        if len(parts) == 1:
            return parts[0]
        masks = [one.masks for one in parts if one.masks is not None]
        instances = [one.instances for one in parts if one.instances is not None]
        return replace(
            parts[0],
            images=np.concatenate([one.images for one in parts]),
            region=np.concatenate([one.region for one in parts]),
            masks=np.concatenate(masks) if masks else None,
            instances=np.concatenate(instances) if instances else None,
            sample_id=np.concatenate([one.sample_id for one in parts]),
        )

    def save(self, path: str | Path, /) -> None:
        """Write the images file, a ``.npz`` of plain arrays; if writing fails, no partial file is left.

        Its arrays are ``format_version``, ``images``, ``region``, ``sample_id``, ``region_names``,
        ``class_names``, ``fingerprint``, ``voxel_size_um`` where it is known and, where the task has them,
        ``masks``, ``instances`` and ``intensity``.

        Raises
        ------
        ValueError
            If the name does not end in ``.npz``.
        OSError
            If it cannot be written.
        """
        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"an images file must be named .npz, got {path.name}")
        size = self.voxel_size_um
        content: dict[str, np.ndarray] = {
            "format_version": np.array(FORMAT_VERSION),
            "images": self.images,
            "region": self.region,
            "sample_id": self.sample_id,
            **({} if size is None else {"voxel_size_um": np.array(size, np.float64)}),
            "region_names": np.array(self.region_names, np.str_),
            "class_names": np.array(self.class_names, np.str_),
            "fingerprint": np.array(self.fingerprint),
        }
        if self.masks is not None:
            content["masks"] = self.masks
        if self.instances is not None:
            content["instances"] = self.instances
        if self.intensity is not None:
            content["intensity"] = np.array(self.intensity, np.float64)
        with written_beside(path) as beside, beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **content)


def _corner_rows(images: np.ndarray) -> np.ndarray:
    corners = np.moveaxis(four_corners(images), -3, 1)
    return np.ascontiguousarray(corners.reshape(-1, *corners.shape[2:]))
