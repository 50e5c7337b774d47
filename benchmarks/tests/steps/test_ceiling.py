from typing import Any

import numpy as np
import pytest

from mtneuro_suite.steps import Ceiling, Features
from mtneuro_suite.steps.annotator import Annotator
from mtneuro_suite.steps.ceiling import CEILING

MEASURED = Features(
    view="whole", label_values={"vessel": 1, "cell": 2}, features=("cell_count", "vessel_density")
)


def ceilings(arrays_folder, tmp_path, masks, *, name="samples"):
    names = ("background", "vessel", "cell")
    folder = arrays_folder(name, np.zeros_like(masks), masks=masks, class_names=names)
    out = tmp_path / f"ceiling of {name}"
    out.mkdir()
    rows = Ceiling(features=MEASURED).run({"samples": [folder]}, out, lambda done, total: None).rows
    assert {(row.model, row.metric, row.test_set) for row in rows} == {
        ("annotator", CEILING, "semantics:all")
    }
    return {row.class_name: row for row in rows}


def cells(rng, counts, *, size):
    """Return an image for each count, with so many cells of a size on a grid, and a vessel of any width."""
    masks = np.zeros((len(counts), 64, 64), np.uint8)
    for mask, count in zip(masks, counts, strict=True):
        for at in rng.permutation(25)[:count]:
            y, x = 4 + 12 * (at // 5), 4 + 12 * (at % 5)
            mask[y : y + size, x : x + size] = 2
        mask[:, 63 - rng.integers(0, 3) :] = 1
    return masks


def test_large_cells_are_counted_alike_and_small_ones_are_missed(arrays_folder, tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.integers(2, 24, 30)
    large: dict[str, Any] = ceilings(arrays_folder, tmp_path, cells(rng, counts, size=8), name="large")
    small: dict[str, Any] = ceilings(arrays_folder, tmp_path, cells(rng, counts, size=4), name="small")
    assert large["cell_count"].value > 0.99
    assert 0.5 < small["cell_count"].value < 0.97
    assert small["cell_count"].n == 30


def test_what_no_sample_has_has_no_ceiling(arrays_folder, tmp_path):
    found = ceilings(arrays_folder, tmp_path, np.zeros((6, 32, 32), np.uint8))
    assert found["vessel_density"].value is None
    assert found["vessel_density"].note


def test_the_slices_of_subvolumes_are_annotated_as_images_are(arrays_folder, tmp_path):
    rng = np.random.default_rng(0)
    images = cells(rng, rng.integers(2, 24, 32), size=4)
    found: dict[str, Any] = ceilings(arrays_folder, tmp_path, images.reshape(8, 4, 64, 64))
    assert found["cell_count"].n == 8
    assert 0 < found["cell_count"].value < 1


def test_of_an_electron_microscopes_pixels_there_is_no_ceiling(arrays_folder, tmp_path):
    masks = cells(np.random.default_rng(0), [5, 9], size=5)
    size = (0.03, 0.01, 0.01)
    names = ("background", "vessel", "cell")
    folder = arrays_folder("fine", np.zeros_like(masks), masks=masks, class_names=names, voxel_size_um=size)
    rows = Ceiling(features=MEASURED).run({"samples": [folder]}, tmp_path, lambda done, total: None).rows
    assert [row.class_name for row in rows] == ["cell_count", "vessel_density"]
    assert {(row.value, row.n) for row in rows} == {(None, 0)}
    assert {row.note for row in rows} == {"annotators' errors are known of pixels of about 1.17 um"}


def test_a_person_who_does_not_err_agrees_with_the_truth():
    truth = cells(np.random.default_rng(0), [5, 9], size=5)
    exact = Annotator(shift=0, missed=0)
    assert (exact.labels(truth, seed=1) == truth).all()
    with pytest.raises(ValueError, match="missed must be a chance from 0 to 1, got 2"):
        Annotator(missed=2)
