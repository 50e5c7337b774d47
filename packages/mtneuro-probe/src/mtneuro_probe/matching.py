"""Put embeddings, features, regions and images of the same samples into one order."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int64, Shaped

from mtneuro_probe.embeddings import Embeddings
from mtneuro_probe.sample import CORNERS, first_ten


def matched(embeddings: Embeddings, features: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``features`` in the order of the embeddings' samples.

    Parameters
    ----------
    embeddings
        Vectors with the ids of their samples.
    features
        A table indexed by sample id, in any order.

    Raises
    ------
    ValueError
        If a sample is in one of the two only, or twice in the table; the first ten such ids are shown.

    Examples
    --------
    >>> table = pd.DataFrame({"cell_count": [4.0, 2.0]}, index=["A/z1", "A/z0"])
    >>> vectors = Embeddings(np.zeros((2, 3), np.float32), np.array(["A/z0", "A/z1"]))
    >>> matched(vectors, table)["cell_count"].tolist()
    [2.0, 4.0]
    """
    names = features.index.astype(str)
    if names.has_duplicates:
        twice = names[names.duplicated()].unique()
        raise ValueError(f"features must name each sample once, got twice: {first_ten(list(twice))}")
    ids = [str(name) for name in embeddings.sample_id]
    known, wanted = set(names), set(ids)
    without_features = [name for name in ids if name not in known]
    without_embedding = [name for name in names if name not in wanted]
    if without_features or without_embedding:
        told = [
            f"{len(missing)} sample(s) {what}: {first_ten(missing)}"
            for missing, what in (
                (without_features, "have an embedding but no features"),
                (without_embedding, "have features but no embedding"),
            )
            if missing
        ]
        raise ValueError("embeddings and features must be of the same samples, got " + "; ".join(told))
    table = features.set_axis(names, axis=0)
    return table.loc[ids]


def aligned(embeddings: Mapping[str, Embeddings]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the vectors of several embeddings in the first one's order of samples, and its ids.

    Raises
    ------
    ValueError
        If they are not of the same samples; the first ten that differ are shown.
    """
    names = list(embeddings)
    ids = embeddings[names[0]].sample_id
    order = {str(name): row for row, name in enumerate(ids)}
    vectors: dict[str, np.ndarray] = {}
    for name in names:
        own = [str(one) for one in embeddings[name].sample_id]
        held = set(own)
        lost = [one for one in own if one not in order] + [one for one in order if one not in held]
        if lost:
            raise ValueError(
                f"{names[0]} and {name} must be of the same samples, {len(lost)} are in one only: "
                f"{first_ten(lost)}"
            )
        at = np.empty(len(own), dtype=np.int64)
        at[[order[one] for one in own]] = np.arange(len(own))
        vectors[name] = embeddings[name].embeddings[at]
    return vectors, ids


def rows_of(
    embeddings: Embeddings, ids: Sequence[str] | np.ndarray, *, what: str
) -> Int64[np.ndarray, " samples"]:
    """Return which row of a file belongs to each embedding; a corner without one of its own has its image's.

    Raises
    ------
    ValueError
        If an embedding has no row, or a sample more than one; the first ten such are shown.
    """
    check_once(ids, what=what)
    known = {str(name): row for row, name in enumerate(ids)}
    wanted = [str(name) for name in embeddings.sample_id]
    ends = tuple(f"/{corner}" for corner in CORNERS)
    image = [name.rpartition("/")[0] if name.endswith(ends) else name for name in wanted]
    rows = [known.get(name, known.get(whole)) for name, whole in zip(wanted, image, strict=True)]
    missing = [name for name, row in zip(wanted, rows, strict=True) if row is None]
    if missing:
        raise ValueError(
            f"every embedding must have {what}, {len(missing)} have none, the first: {first_ten(missing)}"
        )
    return np.array(rows, dtype=np.int64)


def check_once(ids: Sequence[str] | np.ndarray, *, what: str) -> None:
    """Raise ``ValueError`` unless each id stands once: of two rows, nobody knows which is meant."""
    names, count = np.unique(np.asarray(ids, dtype=np.str_), return_counts=True)
    if (count > 1).any():
        raise ValueError(f"a sample must have {what} once, got twice: {first_ten(names[count > 1])}")


def images_of(
    embeddings: Embeddings, images: Shaped[np.ndarray, "images ..."], ids: Sequence[str]
) -> Shaped[np.ndarray, "samples ..."]:
    """Return the image that each embedding was made of, cut to its corner.

    Parameters
    ----------
    embeddings
        Vectors with the ids of their samples.
    images
        Whole images, or those of the corners.
    ids
        Id of each image.

    Raises
    ------
    ValueError
        If an embedding has no image, or more than one.
    """
    chosen = images[rows_of(embeddings, ids, what="an image")]
    own = set(ids)
    corner = ["" if str(name) in own else str(name).rpartition("/")[2] for name in embeddings.sample_id]
    if not any(corner):
        return chosen
    y, x = chosen.shape[-2] // 2, chosen.shape[-1] // 2
    cut = [
        image[..., -y:, :] if at.startswith("b") else image[..., :y, :]
        for image, at in zip(chosen, corner, strict=True)
    ]
    return np.stack(
        [part[..., -x:] if at.endswith("r") else part[..., :x] for part, at in zip(cut, corner, strict=True)]
    )
