import numpy as np
from mtneuro_data import TaskSpec
from mtneuro_data.preview import PALETTE, contact_sheet, overlaid


def test_a_sheet_shows_the_middle_slice_of_every_cube(task: TaskSpec, volume: np.ndarray) -> None:
    sheet = contact_sheet(task)
    # Two cubes across, each its image beside its overlay, below a caption.
    assert sheet.shape == (32 + 14 + 2 * 6, 2 * 96 + 3 * 6, 3)
    np.testing.assert_array_equal(sheet[20:52, 6:54, 0], volume[16, 4:36, 8:56])


def test_a_sheet_without_labels_shows_images_alone(task: TaskSpec) -> None:
    plain = task.replaced(kind="region", annotation=None, label_map={}, class_names=())
    assert contact_sheet(plain).shape == (58, 2 * 48 + 3 * 6, 3)


def test_unlabelled_pixels_stay_grey_and_colours_repeat() -> None:
    image = np.full((1, 4), 50, np.uint8)
    drawn = overlaid(image, np.array([[0, 1, 8, 9]]), opacity=1.0)[0]
    np.testing.assert_array_equal(drawn, [(50, 50, 50), PALETTE[1], PALETTE[8], PALETTE[1]])
