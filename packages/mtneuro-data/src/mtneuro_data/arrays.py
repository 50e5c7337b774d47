"""A split in memory: its images, labels and names, as plain arrays."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from mtneuro_data.reduction import CORNERS, four_corners
from mtneuro_data.writing import written_beside

__all__ = ["FORMAT_VERSION", "TaskArrays"]

FORMAT_VERSION = 1
"""Version of the images file."""


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

    images: UInt8[np.ndarray, "n *zyx"]
    """``(n, y, x)``, or ``(n, z, y, x)`` for subvolumes."""

    region: Int64[np.ndarray, " n"]
    """Each image's region, an index into ``region_names``."""

    masks: UInt8[np.ndarray, "n *zyx"] | None
    """Each pixel's class, an index into ``class_names``; ``None`` in a task of regions."""

    sample_id: np.ndarray
    """``<cube>/z<z>``, with ``/tl``, ``/tr``, ``/bl`` or ``/br`` for a corner."""

    region_names: tuple[str, ...]
    """Names of the regions."""

    class_names: tuple[str, ...]
    """Names of the pixel classes; empty in a task of regions."""

    voxel_size_um: tuple[float, float, float]
    """Edges of a voxel of these images in micrometres, ``(z, y, x)``."""

    fingerprint: str
    """Stands for the task that the images belong to."""

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.ndim not in (3, 4):
            raise ValueError(f"images must be (n, y, x) or (n, z, y, x), got the shape {self.images.shape}")
        if self.region.shape != (n,) or self.sample_id.shape != (n,):
            raise ValueError(
                f"{n} images need as many regions and names, got {len(self.region)} and {len(self.sample_id)}"
            )
        if self.masks is not None and self.masks.shape != self.images.shape:
            raise ValueError(f"masks must have the images' shape {self.images.shape}, got {self.masks.shape}")

    def __len__(self) -> int:
        return len(self.images)

    def corners(self) -> "TaskArrays":
        """Return the four corners of every image, an image's four in a row."""
        names = np.array([f"{name}/{corner}" for name in self.sample_id for corner in CORNERS])
        return replace(
            self,
            images=_corner_rows(self.images),
            masks=None if self.masks is None else _corner_rows(self.masks),
            region=np.repeat(self.region, 4),
            sample_id=names,
        )

    def save(self, path: str | Path, /) -> None:
        """Write the images file: a ``.npz`` of plain arrays, whole or not at all.

        Its arrays are ``format_version``, ``images``, ``region``, ``sample_id``, ``voxel_size_um``,
        ``region_names``, ``class_names``, ``fingerprint`` and, where the task has them, ``masks``.

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
        content: dict[str, np.ndarray] = {
            "format_version": np.array(FORMAT_VERSION),
            "images": self.images,
            "region": self.region,
            "sample_id": self.sample_id,
            "voxel_size_um": np.array(self.voxel_size_um, np.float64),
            "region_names": np.array(self.region_names, np.str_),
            "class_names": np.array(self.class_names, np.str_),
            "fingerprint": np.array(self.fingerprint),
        }
        if self.masks is not None:
            content["masks"] = self.masks
        with written_beside(path) as beside, beside.open("wb") as file:
            np.savez(file, allow_pickle=False, **content)


def _corner_rows(images: np.ndarray) -> np.ndarray:
    corners = np.moveaxis(four_corners(images), -3, 1)
    return np.ascontiguousarray(corners.reshape(-1, *corners.shape[2:]))
