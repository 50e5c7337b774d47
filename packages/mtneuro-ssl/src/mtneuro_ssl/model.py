"""Trained models: from images to embeddings, and to and from a folder."""

import json
import shutil
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8
from safetensors.torch import load_file, save
from torch import Tensor, nn

from mtneuro_ssl.encoders import device_for, feature_count, new_encoder, seeded_weights
from mtneuro_ssl.registry import imported
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.views import normalised

FORMAT_VERSION = 1
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HISTORY = "history.csv"

Progress = Callable[[int, int], None]


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

    def __init__(self, settings: TrainSettings, *, classes: Sequence[str] | None = None) -> None:
        self.settings = settings.resolved()
        self.classes = None if classes is None else tuple(classes)

    @property
    @abstractmethod
    def dim(self) -> int:
        """Features of an embedding."""

    @abstractmethod
    def _embedded(self, images: UInt8[np.ndarray, "n y x"]) -> Float32[np.ndarray, "n features"]:
        """Return the embeddings of one batch."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """Return everything learnt, by name."""

    @classmethod
    @abstractmethod
    def from_tensors(
        cls, settings: TrainSettings, tensors: dict[str, Tensor], *, classes: Sequence[str] | None
    ) -> "Model":
        """Return the model that `tensors` was asked of."""

    def embed(
        self, images: UInt8[np.ndarray, "n y x"], *, batch_size: int = 256, progress: Progress | None = None
    ) -> Float32[np.ndarray, "n features"]:
        """Return one embedding an image.

        Parameters
        ----------
        images
            Of any height and width that the model takes: PCA and NMF take crops of the size they were fitted
            on, or whole images of twice that, whose embedding is the mean of their four corners'.
        batch_size
            Images at a time.
        progress
            Called with the number of images done and of all.

        Raises
        ------
        ValueError
            If the images are not uint8 of shape (n, y, x), there is none, or their size does not fit.
        """
        check_images(images)
        parts = [self._embedded(part) for part in _parts(images, batch_size, progress)]
        return np.concatenate(parts)

    def predict(
        self,
        images: UInt8[np.ndarray, "n y x"],  # noqa: ARG002  # for the models that can
        *,
        batch_size: int = 256,  # noqa: ARG002
    ) -> Int64[np.ndarray, " n"]:
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

    def save(
        self,
        folder: Path | str,
        *,
        history: str = "step,epoch,loss,learning_rate\n",
        digest: str | None = None,
    ) -> None:
        """Write the model folder, whole or not at all, in place of a model that is there.

        Parameters
        ----------
        folder
            Gets ``model.safetensors``, ``config.json`` and ``history.csv``.
        history
            The training's history as CSV text.
        digest
            What identifies the run that made it.

        Raises
        ------
        FileExistsError
            If the folder holds something else than a model.
        """
        folder = Path(folder)
        check_destination(folder)
        config = {
            "format_version": FORMAT_VERSION,
            "kind": self.kind,
            "dim": self.dim,
            "classes": self.classes,
            "settings": self.settings.model_dump(),
            "digest": digest,
            "mtneuro_ssl": version("mtneuro-ssl"),
        }
        with replaced_folder(folder) as beside:
            weights = {name: part.contiguous() for name, part in self.tensors().items()}
            # Not save_file, whose file only its owner may read.
            (beside / WEIGHTS).write_bytes(save(weights))
            (beside / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            (beside / HISTORY).write_text(history, encoding="utf-8")


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
    ) -> None:
        super().__init__(settings, classes=classes)
        self.device = device_for(settings.device)
        self.encoder = encoder.to(self.device).eval()
        self.classifier = None if classifier is None else classifier.to(self.device).eval()
        self._dim = feature_count(self.encoder)

    @property
    def dim(self) -> int:
        """Features of an embedding."""
        return self._dim

    def _features(self, images: UInt8[np.ndarray, "n y x"]) -> Tensor:
        # A copy: torch takes neither reversed nor read-only arrays.
        pixels = torch.from_numpy(np.array(images, order="C")).to(self.device)
        return self.encoder(normalised(pixels, mean=self.settings.mean, sd=self.settings.sd))

    def _embedded(self, images: UInt8[np.ndarray, "n y x"]) -> Float32[np.ndarray, "n features"]:
        with torch.inference_mode():
            return self._features(images).float().cpu().numpy()

    def predict(
        self, images: UInt8[np.ndarray, "n y x"], *, batch_size: int = 256
    ) -> Int64[np.ndarray, " n"]:
        """Return the class of each image, by a supervised model."""
        if self.classifier is None:
            return super().predict(images)
        check_images(images)
        with torch.inference_mode():
            parts = [
                self.classifier(self._features(part)).argmax(dim=1).cpu().numpy()
                for part in _parts(images, batch_size, None)
            ]
        return np.concatenate(parts)

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights of the encoder and of the classifier."""
        networks = {"encoder": self.encoder, "classifier": self.classifier}
        return {
            f"{prefix}.{name}": tensor
            for prefix, network in networks.items()
            if network is not None
            for name, tensor in network.state_dict().items()
        }

    @classmethod
    def from_tensors(
        cls, settings: TrainSettings, tensors: dict[str, Tensor], *, classes: Sequence[str] | None
    ) -> "NetworkModel":
        """Return the model of these weights."""
        parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "classifier": {}}
        for name, tensor in tensors.items():
            prefix, _, rest = name.partition(".")
            parts[prefix][rest] = tensor
        with seeded_weights(settings):
            encoder = new_encoder(settings)
        encoder.load_state_dict(parts["encoder"])
        classifier = None
        if parts["classifier"]:
            count, width = parts["classifier"]["weight"].shape
            classifier = nn.utils.skip_init(nn.Linear, width, count)
            classifier.load_state_dict(parts["classifier"])
        return cls(settings, encoder, classifier=classifier, classes=classes)


def untrained(settings: TrainSettings) -> NetworkModel:
    """Return the settings' encoder with the random weights that training would start from.

    Examples
    --------
    >>> untrained(TrainSettings(latent_dim=8)).embed(np.zeros((2, 16, 16), np.uint8)).shape
    (2, 8)
    """
    with seeded_weights(settings):
        encoder = new_encoder(settings)
    return NetworkModel(settings.model_copy(update={"method": "untrained"}), encoder)


def load_model(folder: Path | str) -> Model:
    """Return the model in a folder; nothing in it is executed.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If it is not a model folder of a known format, or the weights do not fit the settings.
    """
    folder = Path(folder)
    config = read_config(folder)
    settings = TrainSettings.model_validate(config["settings"])
    device = settings.device if settings.device != "cuda" or torch.cuda.is_available() else "auto"
    settings = settings.model_copy(update={"device": device})
    family: type[Model] = imported(settings.entry.target) if config["kind"] == "components" else NetworkModel
    try:
        return family.from_tensors(settings, load_file(folder / WEIGHTS), classes=config["classes"])
    except (RuntimeError, KeyError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} must hold the weights that {CONFIG} describes: {error}"
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return the checked ``config.json`` of a model folder."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"a model folder must hold {CONFIG}, found none in {folder}")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    found = config.get("format_version") if isinstance(config, dict) else None
    if found != FORMAT_VERSION or config.get("kind") not in ("network", "components"):
        raise ValueError(
            f"{path} must be a model of format_version {FORMAT_VERSION}, got format_version {found!r} "
            f"and kind {config.get('kind') if isinstance(config, dict) else None!r}"
        )
    return config


def check_images(images: np.ndarray) -> None:
    """Refuse what is not a stack of uint8 images.

    Raises
    ------
    ValueError
        If the array is not uint8 of shape (n, y, x), or has no pixels.
    """
    shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
    if dtype != np.uint8 or len(shape) != 3 or 0 in shape:
        raise ValueError(
            f"images must be uint8 of shape (n, y, x), none of them 0, got {dtype} of shape {shape}"
        )


def check_destination(folder: Path) -> None:
    """Refuse to write a model over something else.

    Raises
    ------
    FileExistsError
        If there is a file, or a folder with other things in it, at the place.
    """
    if folder.is_dir() and ((folder / CONFIG).is_file() or not any(folder.iterdir())):
        return
    if folder.exists():
        raise FileExistsError(f"out must be a new folder or one that holds a model, got {folder}")


@contextmanager
def replaced_folder(folder: Path) -> Generator[Path]:
    """Give a folder to fill, which takes the place of another when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    beside.mkdir()
    try:
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _parts(
    images: UInt8[np.ndarray, "n y x"], batch_size: int, progress: Progress | None
) -> Iterator[UInt8[np.ndarray, "batch y x"]]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    for start in range(0, len(images), batch_size):
        yield images[start : start + batch_size]
        if progress is not None:
            progress(min(start + batch_size, len(images)), len(images))
