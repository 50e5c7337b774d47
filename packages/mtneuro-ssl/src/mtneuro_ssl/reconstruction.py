"""Have a masked autoencoder reconstruct images of which it sees some patches."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float32, Real

from mtneuro_ssl._shared.memory import memory_errors_named
from mtneuro_ssl._shared.model_folder import HEADS, read_weights, weights_errors_named
from mtneuro_ssl._shared.pixels import as_pixels, check_image_type
from mtneuro_ssl.checks import check_samples
from mtneuro_ssl.methods.mae import Decoder, split_patches
from mtneuro_ssl.model import NetworkModel
from mtneuro_ssl.model_folder import load_model
from mtneuro_ssl.views import crop_size, generator_at, normalised
from mtneuro_ssl.vit import images_of, patch_grid, patches_of, picked


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """Images, which of their pixels were hidden, and the same images with those predicted.

    Intensities are on the scale of 0 to 255.
    """

    images: Float32[np.ndarray, "n *size"]
    hidden: Bool[np.ndarray, "n *size"]
    predicted: Float32[np.ndarray, "n *size"]

    lent: bool
    """Whether each hidden patch was given its own mean and standard deviation, which a model that predicts
    normalised patches (``mae.normalise_patches``) does not know."""


def reconstruct(
    model: Path | str, images: Real[np.ndarray, "n *size"], *, seed: int = 1, device: str | None = None
) -> Reconstruction:
    """Return what a masked autoencoder makes of the middle of each image, with patches hidden at random.

    The middle has the size of a training's view, as near as whole patches come to it.

    Parameters
    ----------
    model
        Folder of a model of the method ``mae``, with its decoder in ``heads.safetensors``.
    images
        Images ``(n, y, x)``, or subvolumes ``(n, z, y, x)``, of the type that the model takes.
    seed
        Which patches are hidden; as many as in training.
    device
        As for `load_model`.

    Raises
    ------
    FileNotFoundError
        If the folder or one of its files is missing.
    ValueError
        If the model is of another method, the images are of another type or number of axes, or their middle
        is smaller than two patches.
    """
    folder = Path(model)
    loaded = load_model(folder, device=device)
    if not isinstance(loaded, NetworkModel) or loaded.settings.method != "mae":
        raise ValueError(
            f"a model must be of method 'mae' to reconstruct images, got {folder} of method "
            f"{loaded.settings.method!r}, which has no decoder"
        )
    settings = loaded.settings
    check_samples(images, subvolumes=settings.depth is not None)
    check_image_type(images, settings)
    if not (folder / HEADS).is_file():
        raise FileNotFoundError(f"a model of method 'mae' must have its decoder in {HEADS}, got {folder}")
    patch = settings.vit.patch_size(images.ndim - 1)
    decoder = Decoder(loaded.dim, settings.mae, patch=patch)
    with weights_errors_named(folder / HEADS, of="the decoder that config.json describes"):
        weights = read_weights(folder, HEADS)
        decoder.load_state_dict({name.removeprefix("decoder."): part for name, part in weights.items()})
    decoder = decoder.to(loaded.device).eval()
    pixels = as_pixels(_middles(images, crop_size(images.shape[1:], settings.views), patch), settings)
    grid = patch_grid(pixels.shape[1:], patch)
    patches = math.prod(grid)
    count = min(max(settings.mae.hidden_patches(patches), 1), patches - 1)
    given = torch.from_numpy(np.array(pixels, order="C")).to(loaded.device)
    with torch.inference_mode(), memory_errors_named("reconstruction", remedy="give fewer or smaller images"):
        view = normalised(given, mean=settings.mean, sd=settings.sd)
        visible, hidden = (
            positions.to(loaded.device)
            for positions in split_patches(
                len(view), patches, hidden=count, generator=generator_at(seed, "views")
            )
        )
        told = decoder(loaded.encoder(view, visible), visible, hidden, grid=grid)
        whole = patches_of(view, patch)
        if settings.mae.normalise_patches:
            true = picked(whole, hidden)
            spread = true.std(dim=-1, correction=0, keepdim=True)
            told = told * spread + true.mean(dim=-1, keepdim=True)
        places = hidden[..., None].expand(-1, -1, whole.shape[-1])
        found = images_of(whole.scatter(1, places, told), patch, grid=grid)[:, 0]
        unseen = images_of(torch.zeros_like(whole).scatter(1, places, 1), patch, grid=grid)[:, 0] > 0
    predicted = 255 * (found * settings.sd + settings.mean)
    return Reconstruction(
        images=pixels.astype(np.float32),
        hidden=unseen.cpu().numpy(),
        predicted=np.where(unseen.cpu(), predicted.cpu(), pixels).astype(np.float32),
        lent=settings.mae.normalise_patches,
    )


def _middles(
    images: Real[np.ndarray, "n *size"], size: tuple[int, ...], patch: tuple[int, ...]
) -> Real[np.ndarray, "n *middle"]:
    """Return the middle of each image, of this size rounded down to whole patches.

    Raises
    ------
    ValueError
        If it holds fewer than two patches.
    """
    middle = [pixels // part * part for pixels, part in zip(size, patch, strict=True)]
    if math.prod(middle) < 2 * math.prod(patch):
        whole, part = (" x ".join(map(str, each)) for each in (images.shape[1:], patch))
        raise ValueError(
            f"images must be so large that a view of them holds at least 2 patches of {part}, got {whole}"
        )
    starts = [(pixels - part) // 2 for pixels, part in zip(images.shape[1:], middle, strict=True)]
    return images[
        (slice(None), *(slice(start, start + part) for start, part in zip(starts, middle, strict=True)))
    ]
