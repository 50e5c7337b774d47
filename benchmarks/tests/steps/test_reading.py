import json

import numpy as np
import pytest
from PIL import Image

from mtneuro_suite.steps.reading import joined_arrays, labelled_arrays, reduced, result, samples

IMAGES = np.arange(3 * 8 * 8).reshape(3, 8, 8)


def test_arrays_of_several_runs_are_joined_in_their_order(arrays_folder):
    folders = [arrays_folder("late", IMAGES[2:], z=2), arrays_folder("early", IMAGES[:2])]
    joined = joined_arrays(folders)
    assert np.array_equal(joined.images, IMAGES[[2, 0, 1]])
    assert joined.sample_id.tolist() == ["A-CTX/z2", "A-CTX/z0", "A-CTX/z1"]


def test_labels_come_with_their_images_and_are_asked_for_by_name(arrays_folder):
    labelled = arrays_folder("labelled", IMAGES, masks=IMAGES % 2, class_names=("background", "cell"))
    data, masks = labelled_arrays([labelled])
    assert np.array_equal(masks, data.images % 2)
    with pytest.raises(ValueError, match="pixel labels are needed, and the task names no annotation"):
        labelled_arrays([arrays_folder("plain", IMAGES)])


def test_a_sample_is_an_image_or_one_of_its_corners(arrays_folder):
    folder = arrays_folder("all", IMAGES)
    assert np.array_equal(samples([folder], "whole").images, IMAGES)
    corners = samples([folder], "corners")
    assert corners.sample_id[:4].tolist() == [f"A-CTX/z0/{corner}" for corner in ("tl", "tr", "bl", "br")]
    assert np.array_equal(corners.images[3], IMAGES[0, 4:, 4:])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_are_reduced_as_asked(dtype):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 24)).astype(dtype)
    mean = images.reshape(2, 3, 8, 2, 12, 2).mean(axis=(3, 5))
    area, hamming = (reduced(images, 2, how) for how in ("area", "hamming"))
    assert area.dtype == hamming.dtype == dtype
    assert np.abs(area - mean).max() <= 0.5
    theirs = Image.fromarray(images[1, 2]).resize((12, 8), Image.Resampling.HAMMING)
    assert np.array_equal(hamming[1, 2], np.asarray(theirs))
    # A filter of its own: no block has its mean but by chance.
    assert np.abs(hamming - mean).mean() > 2
    assert reduced(images, 1, "hamming") is images


def test_a_result_file_is_read_as_it_was_written(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"rows": [], "extra": {"name": "Zürich"}}), "utf-8")
    assert result(tmp_path) == {"rows": [], "extra": {"name": "Zürich"}}
