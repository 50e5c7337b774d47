"""Measure the semantic features of every sample's labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Integer
from mtneuro_data import TaskArrays

from mtneuro_suite.runs.step import Outcome, Progress, Roles, Step
from mtneuro_suite.steps.reading import View, depth_of, labelled_arrays, samples

if TYPE_CHECKING:
    from pandas import DataFrame


class Features(Step):
    """Measure the arrays of role ``samples``: of subvolumes the mean over their slices."""

    kind: ClassVar = "features"

    view: View
    label_values: dict[str, int]
    """Label of each class in the masks."""

    features: tuple[str, ...] | None = None
    """What is measured of them; by default the paper's five."""

    instances: str | None = None
    """The class whose objects are told apart by their ids; the others' are connected components."""

    definition: Literal["image", "original"] = "image"
    """Whether each image is measured by itself, or the corners of all as the original's code does."""

    def run(self, roles: Roles, out: Path, progress: Progress) -> Outcome:
        """Write ``features.csv``."""
        of_original = self.definition == "original"
        table = (_original_features if of_original else self._features)(roles["samples"], progress)
        table.to_csv(out / "features.csv")
        return Outcome(extra={"samples": len(table), "mean": table.mean().to_dict()})

    def _features(self, folders: Sequence[Path], progress: Progress) -> "DataFrame":
        """Return the features of each sample by itself."""
        import pandas as pd
        from mtneuro_probe import (
            ALL_FEATURES,
            FEATURES,
            LABEL_VALUES,
            label_features,
            semantic_features,
        )

        found = samples(folders, self.view)
        labels = _labels(found, None if self.instances is None else self.label_values[self.instances])
        features = FEATURES if self.features is None else self.features
        # A class of the paper's that was not annotated has features too, which are missing.
        of_paper = {*self.label_values} <= {*LABEL_VALUES} and {*features} <= {*ALL_FEATURES}
        depth = depth_of(labels)
        table = (semantic_features if of_paper else label_features)(
            labels.reshape(-1, *labels.shape[-2:]),
            sample_id=found.sample_id if depth == 1 else None,
            voxel_size_um=found.voxel_size_um,
            label_values={name: at for name, at in self.label_values.items() if name != self.instances},
            instances=self.instances,
            features=features,
            progress=progress,
        )
        if depth == 1:
            return table
        # A subvolume's are the means over its slices; a slice where a feature is missing does not count.
        means = pd.DataFrame(table.groupby(np.arange(len(table)) // depth).mean())
        return means.set_index(pd.Index(found.sample_id, name="sample_id"))


def _labels(found: TaskArrays, of_instances: int | None) -> Integer[np.ndarray, "..."]:
    """Return the label images: classes, but of one class the ids of its objects, above all classes."""
    if found.masks is None:
        raise ValueError("semantic features need pixel labels, and the task names no annotation")
    if of_instances is None:
        return found.masks
    if found.instances is None:
        raise ValueError("ids of instances are needed, and the arrays hold none")
    above = np.iinfo(np.uint8).max + 1
    largest = np.iinfo(np.uint64).max - above
    if (top := int(found.instances.max(initial=0))) > largest:
        raise ValueError(
            f"ids of instances must be {largest} at most, got {top}: name it in label_map if it is no object"
        )
    return np.where(found.masks == of_instances, found.instances + np.uint64(above), found.masks)


def _original_features(folders: Sequence[Path], progress: Progress) -> "DataFrame":
    """Return the original's five features of each corner, under the names that their units have here."""
    from mtneuro_probe import FEATURES, semantic_features

    found, masks = labelled_arrays(folders)
    table = semantic_features(masks, sample_id=found.sample_id, definition="original", progress=progress)
    # Its densities are percentages, its sizes and distances pixels.
    fractions = {name: table[name] / 100 for name in ("vessel_density", "axon_density")}
    in_pixels = {name: f"{name}_px" for name in ("cell_size", "nearest_neighbour_distance")}
    named = table.assign(**fractions).rename(columns=in_pixels)
    return named.filter(items=[in_pixels.get(name, name) for name in FEATURES])
