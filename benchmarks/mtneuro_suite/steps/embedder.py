"""Embed samples, with whatever a run of role ``encoder`` left: a model, given embeddings, or a floor."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32
from mtneuro_data import TaskArrays, TaskSpec

from mtneuro_suite.steps.floor import Statistic
from mtneuro_suite.steps.given_embeddings import EMBEDDINGS
from mtneuro_suite.steps.reading import Resampling, View, at_a_time, reduced, result, samples
from mtneuro_suite.steps.sample_names import sample_names
from mtneuro_suite.steps.trained_encoder import trained_encoder

if TYPE_CHECKING:
    from mtneuro_probe import Embeddings
    from mtneuro_ssl import Model


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """What is embedded: the images of some ``arrays`` runs, or their corners."""

    folders: Sequence[Path]
    view: View
    downsample: int = 1
    """Reduction of the images before they are embedded."""

    resampling: Resampling = "area"
    """How they are reduced."""

    @cached_property
    def _read(self) -> tuple[TaskArrays, list[np.ndarray]]:
        """The samples as they are embedded, and the ids of each run's."""
        parts = [samples([folder], self.view) for folder in self.folders]
        found = TaskArrays.joined(parts)
        if self.downsample > 1:
            # Labels have the size that they were loaded in, and nothing here reads them.
            images = reduced(found.images, self.downsample, self.resampling)
            found = replace(found, images=images, masks=None, instances=None)
        return found, [part.sample_id for part in parts]

    @property
    def arrays(self) -> TaskArrays:
        """The images as they are embedded, with their regions and ids."""
        return self._read[0]

    @cached_property
    def names(self) -> np.ndarray:
        """Their names among all samples of all tasks, ``(samples,)`` unicode."""
        found: list[np.ndarray] = []
        for folder, ids in zip(self.folders, self._read[1], strict=True):
            settings = result(folder)["settings"]
            task = TaskSpec.model_validate(settings["task"])
            found.append(
                sample_names(
                    task,
                    settings["files"],
                    ids,
                    downsample=self.downsample,
                    resampling=self.resampling,
                )
            )
        return np.concatenate(found)


@runtime_checkable
class Embedder(Protocol):
    """Embeds samples."""

    def embed(self, samples: Samples, /) -> Float32[np.ndarray, "n features"]:
        """Return one embedding a sample, in their order."""
        ...


def embedder(folder: Path, *, normalised: bool = True, device: str | None = None) -> Embedder:
    """Return what embeds samples by the result of a run of role ``encoder``.

    Parameters
    ----------
    folder
        The run's folder.
    normalised
        Whether a model normalises images as in its training, or takes intensities from 0 to 1 as they are.
    device
        Where a model computes; by default as its settings say.
    """
    found = result(folder)
    if "train" in found["settings"]:
        return ModelEmbedder(trained_encoder(folder, normalised=normalised, device=device))
    if "statistic" in found["settings"]:
        low, high = found["extra"]["limits"]
        return FloorEmbedder(found["settings"]["statistic"], limits=(low, high))
    from mtneuro_probe import load_embeddings

    return GivenEmbedder(load_embeddings(folder / EMBEDDINGS))


@dataclass(frozen=True)
class ModelEmbedder:
    """Embeds samples with a model."""

    model: "Model"

    def embed(self, samples: Samples, /) -> Float32[np.ndarray, "n features"]:
        """Return one embedding a sample, in their order."""
        from mtneuro_ssl import embed

        images = samples.arrays.images
        return embed(self.model, images, batch_size=at_a_time(images))


@dataclass(frozen=True)
class FloorEmbedder:
    """Describes samples by one statistic of their pixels, or by their region."""

    statistic: Statistic
    limits: tuple[float, float]
    """Of the histogram."""

    def embed(self, samples: Samples, /) -> Float32[np.ndarray, "n features"]:
        """Return one embedding a sample, in their order."""
        from mtneuro_probe import intensity_histogram, pixel_statistics, power_spectrum

        found = samples.arrays
        match self.statistic:
            case "region":
                return np.eye(len(found.region_names), dtype=np.float32)[found.region]
            case "mean-sd":
                return pixel_statistics(found.images)
            case "histogram":
                return intensity_histogram(found.images, limits=self.limits)
            case "spectrum":
                return power_spectrum(found.images)


@dataclass(frozen=True, eq=False)
class GivenEmbedder:
    """Looks embeddings up by the names of samples."""

    given: "Embeddings"

    def embed(self, samples: Samples, /) -> Float32[np.ndarray, "n features"]:
        """Return one embedding a sample, in their order.

        Raises
        ------
        ValueError
            If a sample has none.
        """
        rows = {name: row for row, name in enumerate(self.given.sample_id.tolist())}
        wanted: list[str] = samples.names.tolist()
        lacking = [name for name in wanted if name not in rows]
        if lacking:
            raise ValueError(
                f"the embeddings lack {len(lacking)} of {len(wanted)} samples, the first {lacking[0]!r}"
            )
        return self.given.embeddings[[rows[name] for name in wanted]]
