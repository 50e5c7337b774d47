import cc3d
import numpy as np
import pytest
from mtneuro_probe import FEATURES, original_features, semantic_features
from mtneuro_probe.measures.original import ORIGINAL_COLUMNS
from scipy import ndimage
from skimage.measure import regionprops
from sklearn.neighbors import KDTree


def volume(seed: int, n_slices: int = 12, side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(n_slices, side, side)), 2)
    return np.digitize(noise, np.quantile(noise, [0.7, 0.8, 0.92])).astype(np.uint8)


def as_written(labels: np.ndarray) -> np.ndarray:
    """The definition step by step: one corner, one property and one tree at a time."""
    slices, _, side = labels.shape
    half = side // 2
    numbers = cc3d.connected_components((labels == 2).astype(np.int32), connectivity=6)
    places = [
        (slice(None, half), slice(None, half)),
        (slice(None, half), slice(-half, None)),
        (slice(-half, None), slice(None, half)),
        (slice(-half, None), slice(-half, None)),
    ]
    table = np.zeros((4 * slices, 7))
    for row in range(4 * slices):
        at = (row // 4, *places[row % 4])
        crop = labels[at]
        vessels = (crop == 1).sum()
        table[row, 0] = 100 * vessels / crop.size if vessels else np.nan
        table[row, 1] = 100 * (crop == 3).sum() / crop.size
        seen = regionprops(numbers[at])
        table[row, 2] = len(seen)
        if len(seen) < 2:
            table[row, 4] = 64
            continue
        centres = np.array([region.centroid for region in seen])
        table[row, 4] = table[row, 5] = KDTree(centres).query(centres, k=2)[0].mean()
        table[row, 3] = sum(region.area for region in seen) / len(seen)
        table[len(seen) - 1, 6] = 100 * seen[0].area / labels[0].size
    return table


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_original_s_numbers_come_out_exactly(seed):
    labels = volume(seed)
    labels[3] = 0
    labels[5, :32, :32] = 0
    np.testing.assert_allclose(original_features(labels), as_written(labels), rtol=1e-12)


def test_half_the_true_distance_in_pixels_and_64_for_a_single_cell():
    labels = np.zeros((4, 8, 8), np.uint8)
    labels[0, 0, [0, 3]] = 2
    labels[1, 7, 7] = 2
    table = original_features(labels)
    assert table[0, ORIGINAL_COLUMNS.index("nearest_neighbour_distance")] == 1.5
    assert table[7, 2:6].tolist() == [1, 0, 64, 0]
    assert table[4, 2:6].tolist() == [0, 0, 64, 0]
    # Two cells in the first corner put its percentage into the second row.
    assert np.flatnonzero(table[:, 6]).tolist() == [1]


def test_the_table_names_the_corners_and_leads_with_the_paper_s_features():
    table = semantic_features(volume(0), definition="original")
    assert tuple(table.columns[:5]) == FEATURES
    assert table.index[:2].tolist() == ["labels/z0/tl", "labels/z0/tr"]
    assert len(table) == 48
