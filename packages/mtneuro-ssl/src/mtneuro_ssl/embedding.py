"""Embeddings of images, and the file that carries them."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from mtneuro_ssl.checks import Samples
from mtneuro_ssl.model import Model, Progress
from mtneuro_ssl.reading import Volume

FORMAT_VERSION = 1

CORNERS = ("tl", "tr", "bl", "br")
"""Top left, top right, bottom left, bottom right."""


def embed(
    model: Model,
    images: Samples | Volume,
    *,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Float32[np.ndarray, "n features"]:
    """Return one embedding an image; the same as ``model.embed``.

    A row depends on its image alone, up to the last bits that a batch's size changes in floating point.
    """
    return model.embed(images, batch_size=batch_size, progress=progress)


def corner_ids(sample_id: np.ndarray) -> np.ndarray:
    """Return the ids of the four corners of each sample, in the order of `corner_crops`.

    Examples
    --------
    >>> corner_ids(np.array(["A-CTX/z110"])).tolist()
    ['A-CTX/z110/tl', 'A-CTX/z110/tr', 'A-CTX/z110/bl', 'A-CTX/z110/br']
    """
    return np.array([f"{name}/{corner}" for name in sample_id for corner in CORNERS])


def save_embeddings(
    path: Path | str, embeddings: Float32[np.ndarray, "n features"], *, sample_id: np.ndarray
) -> None:
    """Write embeddings and the sample each belongs to as an ``.npz`` file, whole or not at all.

    Its keys are ``format_version`` (1), ``embeddings`` and ``sample_id`` (fixed-width unicode).

    Raises
    ------
    ValueError
        If there is not one sample_id a row.
    """
    ids = np.asarray(sample_id)
    if ids.shape != (len(embeddings),) or ids.dtype.kind != "U":
        raise ValueError(
            f"sample_id must be text of shape ({len(embeddings)},), one a row, "
            f"got {ids.dtype} of shape {ids.shape}"
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            np.savez(
                file,
                format_version=np.int64(FORMAT_VERSION),
                embeddings=embeddings.astype(np.float32, copy=False),
                sample_id=ids,
            )
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
