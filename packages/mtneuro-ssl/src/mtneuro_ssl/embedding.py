"""Embeddings of images, and the ids of their corners."""

import numpy as np
from jaxtyping import Float32

from mtneuro_ssl._shared.kinds import check_type
from mtneuro_ssl.model import Model
from mtneuro_ssl.types import Progress, Samples, Volume

CORNERS = ("tl", "tr", "bl", "br")
"""Top left, top right, bottom left, bottom right."""


def embed(
    model: Model,
    images: Samples | Volume,
    *,
    batch_size: int = 256,
    progress: Progress | None = None,
) -> Float32[np.ndarray, "n features"]:
    """Return one embedding per image; the same as ``model.embed``.

    A row depends on its image alone, up to the last bits that a batch's size changes in floating point.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    return model.embed(images, batch_size=batch_size, progress=progress)


def corner_ids(sample_id: np.ndarray) -> np.ndarray:
    """Return the ids of the four corners of each sample, in the order of `corner_crops`.

    Examples
    --------
    >>> corner_ids(np.array(["A-CTX/z110"])).tolist()
    ['A-CTX/z110/tl', 'A-CTX/z110/tr', 'A-CTX/z110/bl', 'A-CTX/z110/br']
    """
    return np.array([f"{name}/{corner}" for name in sample_id for corner in CORNERS])
