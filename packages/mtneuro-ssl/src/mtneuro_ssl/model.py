"""Trained models: what turns images or subvolumes into embeddings, and how it is saved."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn

from mtneuro_ssl._shared.card import header
from mtneuro_ssl._shared.devices import chosen_device
from mtneuro_ssl._shared.fitting import InputSettings
from mtneuro_ssl._shared.foreign import described, module_errors_named, words_of
from mtneuro_ssl._shared.memory import memory_errors_named
from mtneuro_ssl._shared.model_folder import CARD, CONFIG, HEADS, HISTORY, write_model
from mtneuro_ssl._shared.pixels import as_pixels, check_image_type
from mtneuro_ssl.adapted import adaptation_told
from mtneuro_ssl.checks import check_samples
from mtneuro_ssl.encoders import features_made, named, new_encoder, seeded_weights, size_remedy
from mtneuro_ssl.maps import feature_maps
from mtneuro_ssl.points import COLUMNS, as_vectors, check_points
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.types import Progress, Samples, Volume
from mtneuro_ssl.views import normalised

FORMAT_VERSION = 1
"""Version of the model folder."""

KINDS = ("network", "components")
"""Kinds of models that a folder may hold."""

MONITOR = "monitor.csv"


class Model(ABC):
    """Something that turns images into embeddings.

    Attributes
    ----------
    settings
        The settings that it was trained with.
    classes
        Names of the classes that `predict` counts, or None.
    """

    kind: ClassVar[str]
    dim: int
    """Features of an embedding."""

    vector_width: int | None = None
    """Features of a sample, where samples are vectors and not images."""

    input: InputSettings | None = None
    """What images it takes, where `fitted` must bring others to their pixel size and grey level."""

    def __init__(self, settings: TrainSettings, *, classes: Sequence[str] | None = None) -> None:
        self.settings = settings.resolved()
        self.classes = None if classes is None else tuple(classes)

    @abstractmethod
    def _embedded(self, images: Samples) -> Float32[np.ndarray, "n features"]:
        """Return the embeddings of one batch."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return everything learnt, by name."""

    @classmethod
    @abstractmethod
    def from_tensors(
        cls, settings: TrainSettings, tensors: dict[str, Tensor], *, config: Mapping[str, Any]
    ) -> "Model":
        """Return the model that `tensors` and ``config.json`` came from."""

    def embed(
        self, images: Samples | Volume, *, batch_size: int = 256, progress: Progress | None = None
    ) -> Float32[np.ndarray, "n features"]:
        """Return one embedding per image.

        Parameters
        ----------
        images
            Of any height and width that the model takes, in memory or a volume that is read by slices; of any
            depth, (n, z, y, x), if it is a model of subvolumes. PCA and NMF take crops of the size they were
            fitted on, or whole images of twice the height and width, whose embedding is the mean of their
            four corners'.
        batch_size
            Images at a time.
        progress
            Called with the number of images done and of all.

        Raises
        ------
        ValueError
            If the images are not of shape (n, y, x), or of (n, z, y, x) for a model of subvolumes, there are
            none, or their type or size does not fit: a model takes images of the type that it was trained on,
            through its window of intensities if it has one, or grey levels, uint8. A model of vectors takes
            float32 of shape (n, features), one of clouds of points any number of them, (n, points, 4).
        """
        images = self._pixels(images)
        with memory_errors_named("embedding", remedy="lower batch_size"):
            return np.concatenate([self._embedded(part) for part in _parts(images, batch_size, progress)])

    def _pixels(self, images: Samples | Volume) -> Samples | Volume:
        """Return images on the scale of 0 to 255, or vectors, once they are checked."""
        if self.settings.of_points:
            images = as_vectors(images, self.settings)
            check_points(images, encoder=self.settings.encoder)
            return images
        check_samples(images, vector_width=self.vector_width, subvolumes=self.settings.depth is not None)
        if self.vector_width is not None:
            return images
        check_image_type(images, self.settings)
        return as_pixels(images, self.settings)

    def feature_maps(
        self,
        images: Samples | Volume,  # noqa: ARG002
        *,
        batch_size: int = 16,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> Iterator[Float[Tensor, "n features *places"]]:
        """Yield the encoder's feature maps of one batch of images after another, as `maps.feature_maps` does.

        Parameters
        ----------
        images
            As for `embed`, of a size that the encoder takes.
        batch_size
            Images at a time.
        progress
            Called with the number of images done and of all.

        Raises
        ------
        ValueError
            As `embed` does, or if the model has no network or its encoder no feature maps.
        """
        raise ValueError(f"feature maps need a model with a network, got one of {self.settings.method!r}")

    def predict(self, images: Samples, *, batch_size: int = 256) -> Int64[np.ndarray, " n"]:  # noqa: ARG002
        """Return the class of each image, by a supervised model.

        Raises
        ------
        ValueError
            If the model has no classifier.
        """
        raise ValueError(
            f"predict needs a supervised model, got {self.settings.method!r}: embed the images and fit a "
            "classifier on the embeddings instead"
        )

    def _adaptation(self) -> dict[str, Any]:
        """Return what ``config.json`` states of how images and answer of a foreign encoder are adapted."""
        return {}

    def _card(self, source: str | None) -> str:
        """Return the model card, for someone who finds the folder and knows nothing else of the model."""
        settings, classes = self.settings, ", ".join(self.classes or ())
        network = f", encoder `{settings.encoder}`" if self.kind == "network" else ""
        scaling = f", less {settings.mean}, over {settings.sd}" if self.kind == "network" else ""
        black_white = settings.intensity
        window = "" if black_white is None else f" of {black_white[0]:g} to {black_white[1]:g}"
        depth = settings.depth
        axes = "(n, y, x)" if depth is None else f"(n, z, y, x), subvolumes of {depth} slices"
        points = "point-cloud" if settings.of_points else f"{2 if depth is None else 3}d"
        named_encoder = "own-encoder" if ":" in settings.encoder else settings.encoder.replace("/", "-")
        tags = ["mtneuro", "microscopy", "representation-learning", points, settings.method]
        lines = [
            *header(
                {
                    "library_name": "mtneuro-ssl",
                    "pipeline_tag": "feature-extraction"
                    if settings.of_points
                    else "image-feature-extraction",
                    "tags": [*tags, *([named_encoder] if self.kind == "network" else [])],
                }
            ),
            f"# {settings.method}, {self.dim} features",
            "",
            f"Made by mtneuro-ssl {version('mtneuro-ssl')}: method `{settings.method}`{network}.",
            f"All settings are in `{CONFIG}`. It takes intensities{window} scaled to [0, 1]{scaling}.",
            *([f"Its classes: {classes}."] if classes else []),
            *([] if source is None else [f"Its weights are the original benchmark's, from `{source}`."]),
            "",
            "```python",
            "from mtneuro_ssl import load_model",
            "",
            f"# images: {settings.image_type or 'uint8'} {axes}"
            if not settings.of_points
            else "# images: clouds of points, float32 (n, points, 4): class, y, x and size",
            'embeddings = load_model("this folder").embed(images)',
            "```",
        ]
        return "\n".join(lines) + "\n"

    def fingerprint(self) -> str:
        """Return a digest of everything learnt."""
        hasher = hashlib.sha256()
        for name, tensor in sorted(self.tensors().items()):
            hasher.update(name.encode())
            hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return hasher.hexdigest()

    def save(
        self,
        folder: Path | str,
        *,
        history: str = "step,epoch,loss,learning_rate\n",
        monitor: str | None = None,
        digest: str | None = None,
        source: str | None = None,
        heads: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the model folder, whole or not at all, in place of a model that is there.

        Parameters
        ----------
        folder
            Gets ``model.safetensors``, ``config.json`` and ``history.csv``.
        history
            The training's history as CSV text.
        monitor
            The rank and spread of embeddings during the training, as CSV text for ``monitor.csv``.
        digest
            Digest of the run that made it.
        source
            Name of the original benchmark's file that its weights come from.
        heads
            Weights of the training's projector and predictor by name, for ``heads.safetensors``, from which
            another run may start.

        Raises
        ------
        FileExistsError
            If the folder holds anything but a model.
        """
        config = {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "dim": self.dim,
            "classes": self.classes,
            "vector_width": self.vector_width,
            "settings": self.settings.model_dump(),
            **self._adaptation(),
            **({"input": self.input.model_dump(mode="json")} if self.input else {}),
            "digest": digest,
            "mtneuro_ssl": version("mtneuro-ssl"),
        }
        if source is not None:
            config["source"] = source
        texts = {CARD: self._card(source), HISTORY: history}
        if monitor is not None:
            texts[MONITOR] = monitor
        others = {HEADS: heads} if heads else {}
        write_model(Path(folder), weights=self.tensors(), config=config, texts=texts, others=others)


class NetworkModel(Model):
    """An encoder, and a classifier on top where it was trained with labels."""

    kind = "network"

    def __init__(
        self,
        settings: TrainSettings,
        encoder: nn.Module,
        *,
        classifier: nn.Module | None = None,
        classes: Sequence[str] | None = None,
        vector_width: int | None = None,
    ) -> None:
        super().__init__(settings, classes=classes)
        self.vector_width = vector_width
        self.device = chosen_device(settings.device)
        self.encoder = encoder.to(self.device).eval()
        self.classifier = None if classifier is None else classifier.to(self.device).eval()
        self.dim = features_made(self.encoder, settings, vector_width=vector_width)

    def _given(self, images: Samples) -> Tensor:
        """Return samples as the encoder takes them."""
        # A copy: torch takes neither reversed nor read-only arrays.
        pixels = torch.from_numpy(np.array(images, order="C")).to(self.device)
        if self.vector_width is None:
            pixels = normalised(pixels, mean=self.settings.mean, sd=self.settings.sd)
        return pixels

    def feature_maps(
        self, images: Samples | Volume, *, batch_size: int = 16, progress: Progress | None = None
    ) -> Iterator[Float[Tensor, "n features *places"]]:
        """Yield the encoder's feature maps of one batch of images after another."""
        with memory_errors_named("feature maps", remedy="lower batch_size"):
            for part in _parts(self._pixels(images), batch_size, progress):
                yield feature_maps(self.encoder, self._given(part), name=named(self.settings)).float()

    def _features(self, images: Samples) -> Tensor:
        pixels = self._given(images)
        name = named(self.settings)
        with module_errors_named(
            f"{name} must take {words_of(pixels)}", remedy=lambda: size_remedy(self.settings)
        ):
            features = self.encoder(pixels)
        if getattr(features, "shape", None) != (len(images), self.dim):
            raise ValueError(
                f"{name} must return {self.dim} features for {words_of(pixels)}, got {described(features)}"
            )
        return features

    def _embedded(self, images: Samples) -> Float32[np.ndarray, "n features"]:
        with torch.inference_mode():
            return self._features(images).float().cpu().numpy()

    def predict(self, images: Samples, *, batch_size: int = 256) -> Int64[np.ndarray, " n"]:
        """Return the class of each image, by a supervised model."""
        if self.classifier is None:
            return super().predict(images)
        pixels = self._pixels(images)
        with torch.inference_mode():
            scores = [self.classifier(self._features(part)) for part in _parts(pixels, batch_size, None)]
        return torch.cat(scores).argmax(dim=1).cpu().numpy()

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights of the encoder and of the classifier."""
        return _networks(self.encoder, self.classifier).state_dict()

    def _adaptation(self) -> dict[str, Any]:
        told = adaptation_told(self.encoder)
        return {} if told is None else {"adaptation": told}

    @classmethod
    def from_tensors(
        cls, settings: TrainSettings, tensors: dict[str, Tensor], *, config: Mapping[str, Any]
    ) -> "NetworkModel":
        """Return the model of these weights."""
        with seeded_weights(settings):
            width = config.get("vector_width")
            encoder = new_encoder(settings, vector_width=width, with_weights=False)
        classifier = None
        if "classifier.weight" in tensors:
            count, features = tensors["classifier.weight"].shape
            classifier = nn.utils.skip_init(nn.Linear, features, count)
        _networks(encoder, classifier).load_state_dict(tensors)
        return cls(settings, encoder, classifier=classifier, classes=config["classes"], vector_width=width)


def _networks(encoder: nn.Module, classifier: nn.Module | None) -> nn.ModuleDict:
    """Return the networks of a model under the names that their weights have in its file."""
    return nn.ModuleDict({"encoder": encoder} | ({} if classifier is None else {"classifier": classifier}))


def untrained(settings: TrainSettings, *, vector_width: int | None = None) -> NetworkModel:
    """Return the settings' encoder with the weights that training would start from.

    They are random, or those that ``encoder_weights`` names.

    Examples
    --------
    >>> untrained(TrainSettings(latent_dim=8)).embed(np.zeros((2, 16, 16), np.uint8)).shape
    (2, 8)
    """
    if vector_width is None and settings.of_points:
        vector_width = len(COLUMNS)
    with seeded_weights(settings):
        encoder = new_encoder(settings, vector_width=vector_width)
    settings = settings.model_copy(update={"method": "untrained"})
    return NetworkModel(settings, encoder, vector_width=vector_width)


def _parts(images: Samples | Volume, batch_size: int, progress: Progress | None) -> Iterator[Samples]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    count = images.shape[0]
    for start in range(0, count, batch_size):
        yield np.asarray(images[start : start + batch_size])
        if progress is not None:
            progress(min(start + batch_size, count), count)
