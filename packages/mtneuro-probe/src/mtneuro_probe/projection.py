"""Lay embeddings out in the plane by UMAP, for a picture."""

import logging
import warnings
from contextlib import suppress
from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from mtneuro_probe.embeddings import check_embeddings
from mtneuro_probe.scaling import fitted_scaler

_log = logging.getLogger(__name__)


def umap_embedding(
    embeddings: Float[np.ndarray, "samples features"], *, n_neighbors: int = 100, seed: int = 42
) -> Float32[np.ndarray, "samples 2"]:
    """Return embeddings laid out in the plane by UMAP.

    Embeddings are standardised first. The same input and seed give the same points on one machine. A figure,
    never a score: distances between groups in it mean little.

    Parameters
    ----------
    embeddings
        One vector a sample, at least 5 samples.
    n_neighbors
        Size of the neighbourhood that is kept, in samples; cut to one fewer than there are
        samples. The paper's figures use 100.
    seed
        Seed of the layout. The paper's figures use 42.

    Raises
    ------
    ValueError
        If there are too few samples, a value is not finite, or ``n_neighbors`` is below 2.

    Notes
    -----
    L. McInnes, J. Healy, J. Melville (2018), UMAP: Uniform Manifold Approximation and Projection for
    Dimension Reduction, arXiv:1802.03426. The paper's Figure 4.
    """
    check_embeddings(embeddings)
    if len(embeddings) < 5:
        raise ValueError(f"a UMAP needs at least 5 samples, got {len(embeddings)}")
    if n_neighbors < 2:
        raise ValueError(f"n_neighbors must be at least 2, got {n_neighbors}")
    neighbours = min(n_neighbors, len(embeddings) - 1)
    if neighbours < n_neighbors:
        _log.info(
            "UMAP: %d neighbours instead of %d, as there are %d samples",
            neighbours,
            n_neighbors,
            len(embeddings),
        )
    standardised = fitted_scaler(embeddings).transform(embeddings.astype(np.float64))
    with warnings.catch_warnings():
        # umap warns at import that TensorFlow is missing, which nothing here needs.
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

        _keep_compiled()
    # The usual start needs more eigenvectors than so few samples have.
    start = "spectral" if len(embeddings) > 10 else "random"
    with warnings.catch_warnings():
        # A graph in several pieces is laid out piece by piece, as it should be; umap warns of it each time.
        warnings.filterwarnings("ignore", category=UserWarning, module="umap")
        # numba compiles umap's kernels here if it never did, and may run them on one thread only.
        warnings.filterwarnings("ignore", module="numba")
        layout = UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1, init=start)
        points = layout.fit_transform(standardised)
    return np.asarray(points, dtype=np.float32)


@cache
def _keep_compiled() -> None:
    """Have numba keep what it compiles of umap for later processes: 12 seconds for each of them.

    It keeps it where it keeps that of umap's own requirements: beside the library, or in the user's own cache
    folder where that cannot be written, or in ``NUMBA_CACHE_DIR``.
    """
    from numba.core.dispatcher import Dispatcher
    from umap import distances, layouts, umap_, utils

    for module in (distances, layouts, umap_, utils):
        for kernel in vars(module).values():
            if isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == module.__name__:
                # Raised where there is no folder that can be written: then each process compiles anew.
                with suppress(RuntimeError):
                    kernel.enable_caching()
