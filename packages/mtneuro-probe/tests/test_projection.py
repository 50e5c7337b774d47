import sys
from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe import umap_embedding


@pytest.fixture
def groups() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(60, 8)) + 40 * np.eye(3, 8)[np.arange(60) % 3]).astype(np.float32)


def test_the_same_seed_gives_the_same_points(groups):
    first, second = (umap_embedding(groups, n_neighbors=10) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    assert first.shape == (60, 2)
    assert (umap_embedding(groups, n_neighbors=10, seed=1) != first).any()


def test_groups_far_apart_stay_apart(groups):
    points = umap_embedding(groups, n_neighbors=10)
    centres = np.stack([points[i::3].mean(axis=0) for i in range(3)])
    spread = max(np.linalg.norm(points[i::3] - centres[i], axis=1).max() for i in range(3))
    assert min(np.linalg.norm(centres[i] - centres[i - 1]) for i in range(3)) > spread


def test_embeddings_are_standardised_first(groups):
    # A power of two, so that not even the rounding differs.
    scaled = groups * np.array([1, 1024, 1, 1, 1, 1, 1, 1], np.float32)
    np.testing.assert_array_equal(umap_embedding(groups), umap_embedding(scaled))


@pytest.mark.parametrize("n", [5, 12])
def test_few_samples_have_fewer_neighbours(groups, n, caplog):
    with caplog.at_level("INFO"):
        assert np.isfinite(umap_embedding(groups[:n])).all()
    assert f"{n - 1} neighbours instead of 100" in caplog.text


@pytest.mark.parametrize(
    ("rows", "n_neighbors", "told"),
    [
        (4, 100, "at least 5 samples, got 4"),
        (60, 1, "n_neighbors must be at least 2, got 1"),
    ],
)
def test_too_few_samples_or_neighbours_are_refused(groups, rows, n_neighbors, told):
    with pytest.raises(ValueError, match=told):
        umap_embedding(groups[:rows], n_neighbors=n_neighbors)


def test_embeddings_that_are_not_finite_are_refused(groups):
    with pytest.raises(ValueError, match="finite"):
        umap_embedding(np.full_like(groups, np.nan))


def test_what_is_compiled_is_kept_for_later_processes(groups):
    umap_embedding(groups, n_neighbors=10)
    umap = sys.modules["umap.umap_"]
    for kernel in (umap.smooth_knn_dist, umap.compute_membership_strengths, umap.fast_knn_indices):
        kept = kernel.stats
        assert sum(kept.cache_hits.values()) + sum(kept.cache_misses.values()) > 0
        assert list(Path(kept.cache_path).glob(f"*.{kernel.py_func.__name__}-*.nbi"))
