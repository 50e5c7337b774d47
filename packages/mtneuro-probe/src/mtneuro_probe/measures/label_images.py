"""Label images as the measures see them: masks, connected components, and the size of a pixel."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Integer, Shaped

from mtneuro_probe.measures.components import Components, Connectivity, components_of, image_components


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelImages:
    """A stack of label images of one kind, to be measured together."""

    labels: Integer[np.ndarray, "images y x"]
    """Label images, 0 = background."""

    values: Mapping[str, int]
    """Label value of each name."""

    spacing_um: Float64[np.ndarray, "2"]
    """Size of a pixel ``(y, x)`` in micrometres."""

    connectivity: Connectivity = 8
    """Which pixels are joined to components, image by image."""

    numbers: Mapping[str, Shaped[np.ndarray, "images y x"]] = field(default_factory=dict)
    """Component that each pixel belongs to, for names whose components reach across images."""

    instances: str | None = None
    """Name of the label whose objects carry a value each: every other value than 0 and those known."""

    known: Collection[int] = ()
    """Values that are no ids of instances, besides ``values`` and 0."""

    minimum_area_px: int = 1
    """Smaller components are left out."""

    neighbour: int = 1
    """Which neighbour a distance goes to."""

    _found: dict[str, Components] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def mask(self, label: str) -> Bool[np.ndarray, "images y x"]:
        """Return where the label is."""
        if label == self.instances:
            found = self.labels != 0
            for value in {*self.values.values(), *self.known}:
                found &= self.labels != value
            return found
        return self.labels == self.values[label]

    def components(self, label: str) -> Components:
        """Return the components of the label, or its instances, found once."""
        if label not in self._found:
            if label == self.instances:
                found = components_of(self.labels * self.mask(label))
            elif label in self.numbers:
                found = components_of(self.numbers[label])
            else:
                found = image_components(self.mask(label), connectivity=self.connectivity)
            self._found[label] = found.at_least(self.minimum_area_px) if self.minimum_area_px > 1 else found
        return self._found[label]


def corner_crops(images: Shaped[np.ndarray, "images y x"]) -> Shaped[np.ndarray, "crops cy cx"]:
    """Return the four corners of each image, of half its height and width: tl, tr, bl, br, image by image.

    Examples
    --------
    >>> corner_crops(np.arange(16).reshape(1, 4, 4))[:, 0, 0].tolist()
    [0, 2, 8, 10]
    """
    n_images, height, width = images.shape
    y, x = height // 2, width // 2
    corners = (images[:, :y, :x], images[:, :y, -x:], images[:, -y:, :x], images[:, -y:, -x:])
    return np.stack(corners, axis=1).reshape(4 * n_images, y, x)
