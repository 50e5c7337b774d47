"""Turn the pixel labels of samples, or a network's prediction of them, into clouds of points."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jaxtyping import Integer

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import View, joined_arrays, labelled_arrays, result

if TYPE_CHECKING:
    from mtneuro_probe import PointClouds


class Points(Step):
    """Find the objects in the masks of role ``labels``, or in what role ``network`` predicts of its images.

    Role ``samples`` has the samples' ids and regions: those of the images that the other rows learn from.
    """

    kind: ClassVar = "points"

    class_names: tuple[str, ...]
    """Names of the labels; the first is the background."""

    minimum_area_px: int = 1
    """Smaller objects are left out."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``whole.npz`` and ``corners.npz``, the clouds of the images and of their corners."""
        from mtneuro_probe import point_clouds, save_point_clouds

        found = joined_arrays(roles["samples"])
        network = roles.get("network")
        labels, size, ids = _labels(roles["labels"], None if network is None else network[0])
        if not np.array_equal(ids, found.sample_id):
            raise ValueError("labels and images must be of the same samples, got other ids")
        settings: dict[str, Any] = {
            "label_values": {name: value for value, name in enumerate(self.class_names) if value},
            "sample_id": found.sample_id,
            "voxel_size_um": size,
            "minimum_area_px": self.minimum_area_px,
            "region": found.region,
            "region_names": found.region_names,
        }
        whole = point_clouds(labels, **settings, progress=progress)
        save_point_clouds(out / "whole.npz", whole)
        save_point_clouds(out / "corners.npz", point_clouds(labels, **settings, corners=True))
        mean = dict(zip(whole.class_names[1:], whole.counts().mean(axis=0).tolist(), strict=True))
        return Outcome(extra={"images": len(whole), "mean_count": mean})


def _labels(
    folders: Sequence[Path], network: Path | None
) -> tuple[Integer[np.ndarray, "n y x"], tuple[float, float, float] | None, np.ndarray]:
    """Return label images, their voxel size and their ids."""
    if network is None:
        data, masks = labelled_arrays(folders)
        return masks, data.voxel_size_um, data.sample_id
    from mtneuro_seg import load_model, predict

    data = joined_arrays(folders)
    # The file has been compared with what was planned, and its factory was trusted then.
    factory = result(network)["settings"]["train"]["model"]
    prediction = predict(load_model(network / "model", trusted=(factory,)), data.images)
    return prediction, data.voxel_size_um, data.sample_id


def clouds_of(folder: Path, view: View) -> "PointClouds":
    """Return the clouds that a ``points`` run wrote."""
    from mtneuro_probe import load_point_clouds

    return load_point_clouds(folder / f"{view}.npz")
