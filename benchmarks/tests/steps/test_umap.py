import numpy as np
import pytest
from mtneuro_probe import save_embeddings

from mtneuro_suite.steps import Umap


@pytest.fixture
def groups(tmp_path):
    """Two groups of embeddings far apart, in a ``semantics`` run's folder; return who is in which."""
    group = np.repeat([0, 1], 20)
    embeddings = np.random.default_rng(0).normal(100 * group[:, None], 1, (40, 5)).astype(np.float32)
    names = np.array([f"A-CTX/z{i}" for i in range(40)])
    save_embeddings(tmp_path / "embeddings.npz", embeddings, sample_id=names)
    return group


def drawn(folder):
    Umap(model="mine", neighbours=5, seed=1).run({"semantics": [folder]}, folder, lambda *_: None)
    return np.load(folder / "points.npy")


def test_each_samples_own_point_is_written(groups, tmp_path, monkeypatch):
    def laid_out(embeddings, *, n_neighbors, seed):
        assert (n_neighbors, seed) == (5, 1)
        return embeddings[:, :2].astype(np.float32)

    monkeypatch.setattr("mtneuro_probe.umap_embedding", laid_out)
    assert np.array_equal(drawn(tmp_path)[:, 0] > 50, groups)


@pytest.mark.slow  # UMAP compiles itself
def test_groups_that_lie_far_apart_are_drawn_apart(groups, tmp_path):
    points = drawn(tmp_path)
    assert points.shape == (40, 2)
    centres = np.array([points[groups == g].mean(axis=0) for g in (0, 1)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, groups)
