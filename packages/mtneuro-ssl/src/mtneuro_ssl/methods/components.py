"""The model that PCA and NMF share: an embedding is a crop's coefficients on learnt components."""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Real
from torch import Tensor
from typing_extensions import override

from mtneuro_ssl.encoders import times
from mtneuro_ssl.model import Model
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress
from mtneuro_ssl.views import corner_crops

log = logging.getLogger(__name__)


class ComponentModel(Model):
    """A model whose embedding is a crop's coefficients on learnt components.

    It is fitted on the four corners of the training images. The embedding of an image of twice a
    component's height and width is the mean of its four corners'.
    """

    kind = "components"
    names: ClassVar[tuple[str, ...]] = ("components",)

    def __init__(self, settings: TrainSettings, *, components: Float32[np.ndarray, "k *crop"]) -> None:
        super().__init__(settings)
        self.components = components
        """Components as pictures."""
        self.dim = len(components)

    @classmethod
    @abstractmethod
    def fit(
        cls, crops: Real[np.ndarray, "n *crop"], settings: TrainSettings, *, progress: Progress | None
    ) -> "ComponentModel":
        """Fit the components of these crops and return their model."""

    @abstractmethod
    def _coefficients(self, pixels: Float32[np.ndarray, "n pixels"]) -> Float32[np.ndarray, "n k"]:
        """Return the coefficients of crops scaled to [0, 1]."""

    def _embedded(self, images: Real[np.ndarray, "n *size"]) -> Float32[np.ndarray, "n features"]:
        size = self.components.shape[1:]
        if images.shape[1:] == size:
            return self._coefficients(scaled_pixels(images))
        crops = corner_crops(images)
        if crops.shape[2:] != size:
            raise ValueError(
                f"{self.settings.method} embeds crops of {times(size)} pixels, as it was fitted on, "
                f"or images of twice the height and width, got {times(images.shape[1:])}"
            )
        rows = self._coefficients(scaled_pixels(crops.reshape(-1, *size)))
        return rows.reshape(len(images), 4, -1).mean(axis=1)

    def tensors(self) -> dict[str, Tensor]:
        """Return the learnt arrays."""
        return {name: torch.from_numpy(np.ascontiguousarray(getattr(self, name))) for name in self.names}

    @override
    @classmethod
    def from_tensors(
        cls, settings: TrainSettings, tensors: dict[str, Tensor], *, config: Mapping[str, Any]
    ) -> "ComponentModel":
        """Return the model of these arrays."""
        return cls(settings, **{name: tensors[name].numpy() for name in cls.names})


def scaled_pixels(crops: Real[np.ndarray, "n *crop"]) -> Float32[np.ndarray, "n pixels"]:
    """Return crops as rows of intensities in [0, 1]."""
    return crops.reshape(len(crops), -1).astype(np.float32) / 255


def component_count(crops: Real[np.ndarray, "n *crop"], settings: TrainSettings) -> int:
    """Return how many components the crops allow, with a warning if the settings ask for more."""
    count = min(settings.components, len(crops), crops[0].size)
    if count < settings.components:
        log.warning(
            "%s: %d components in place of %d, from %d crops of %d pixels",
            settings.method, count, settings.components, len(crops), crops[0].size,
        )  # fmt: skip
    return count
