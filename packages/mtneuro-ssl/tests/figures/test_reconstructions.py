import numpy as np
from mtneuro_ssl import Reconstruction, reconstruction_sheet

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 64, 48)).astype(np.float32)
HIDDEN = np.zeros((2, 64, 48), bool)
HIDDEN[0, :8, :8] = HIDDEN[1, 8:16, 40:] = True


def found_of(images: np.ndarray, hidden: np.ndarray = HIDDEN) -> Reconstruction:
    return Reconstruction(
        images=images, hidden=hidden, predicted=np.where(hidden, images / 2, images), lent=False
    )


def test_a_row_shows_the_image_what_is_seen_and_what_is_predicted():
    sheet = reconstruction_sheet(found_of(IMAGES))
    assert sheet.shape == (2 * 128 + 4, 3 * 96 + 2 * 4)
    panels = [sheet[132::2, left : left + 96 : 2] for left in (0, 100, 200)]
    np.testing.assert_array_equal(panels[0], IMAGES[1])
    np.testing.assert_array_equal(panels[1], np.where(HIDDEN[1], 128, IMAGES[1]))
    np.testing.assert_array_equal(panels[2], np.rint(np.where(HIDDEN[1], IMAGES[1] / 2, IMAGES[1])))
    assert (sheet[128:132] == 255).all()


def test_images_that_fill_little_of_the_scale_are_drawn_from_darkest_to_brightest():
    sheet = reconstruction_sheet(found_of(IMAGES / 100))
    np.testing.assert_array_equal(sheet[132::2, :96:2], np.rint(IMAGES[1] / 255 * 255))
    assert len(np.unique(sheet)) > 100


def test_of_subvolumes_the_middle_slices_are_drawn():
    deep, hidden = np.stack([IMAGES, IMAGES[::-1]], axis=1), np.stack([HIDDEN, ~HIDDEN], axis=1)
    np.testing.assert_array_equal(
        reconstruction_sheet(found_of(deep, hidden)), reconstruction_sheet(found_of(IMAGES[::-1], ~HIDDEN))
    )
