import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, untrained, view_sheet

IMAGES = np.random.default_rng(0).integers(0, 255, (8, 16, 16), dtype=np.uint8)
SETTINGS = TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu")


def test_a_row_shows_the_image_its_views_and_what_is_mined():
    sheet = view_sheet(IMAGES, SETTINGS, samples=2)
    assert sheet.shape == (36, 56)
    np.testing.assert_array_equal(sheet[:16, :16], IMAGES[0])
    np.testing.assert_array_equal(sheet[20:, :16], IMAGES[7])
    view = sheet[:16:2, 20:36:2]
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES[0], (8, 8)).reshape(-1, 8, 8)
    assert (windows == view).all(axis=(1, 2)).any()
    with_model = view_sheet(IMAGES, SETTINGS, samples=2, model=untrained(SETTINGS))
    np.testing.assert_array_equal(with_model[:, :56], sheet)
    mined = with_model[:16:2, 60:76:2]
    found = [
        n
        for n in range(8)
        if (np.lib.stride_tricks.sliding_window_view(IMAGES[n], (8, 8)) == mined).all((2, 3)).any()
    ]
    assert found
    assert found != [0]


def test_of_subvolumes_the_middle_slices_are_drawn():
    deep = IMAGES[:6].reshape(2, 3, 16, 16)
    settings = SETTINGS.model_copy(update={"encoder": "tiny_lab:encoder_3d", "depth": 3})
    sheet = view_sheet(deep, settings, samples=2, model=untrained(settings))
    assert sheet.shape == (36, 76)
    np.testing.assert_array_equal(sheet[:16, :16], deep[0, 1])
    view = sheet[20:36:2, 20:36:2]
    windows = np.lib.stride_tricks.sliding_window_view(deep[1, 1], (8, 8)).reshape(-1, 8, 8)
    assert (windows == view).all(axis=(1, 2)).any()


def test_a_sheet_needs_as_many_images_as_rows():
    with pytest.raises(ValueError, match="samples must be 1 to the number of images, 8, got 9"):
        view_sheet(IMAGES, SETTINGS, samples=9)
    with pytest.raises(ValueError, match=r"views.slices needs a sample_id"):
        view_sheet(IMAGES, SETTINGS.model_validate({"views": {"slices": 1}}), samples=2)
