"""Models are fitted to the pixel size and the brightness of the images that they are given."""

import numpy as np
import pytest
from mtneuro_ssl import InputSettings, TrainSettings, embedding_map, fitted, load_model, untrained

TAKES = InputSettings(pixel_size_um=2.0, range_um=(0.5, 4.0))


def waves(size: int = 64, count: int = 3) -> np.ndarray:
    """Return smooth images, which resampling hardly changes, with a median of 128."""
    y, x = np.indices((size, size)) / size
    images = [np.sin(2 * np.pi * (n + 1) * y) * np.cos(2 * np.pi * x) for n in range(count)]
    return np.rint(128 + 60 * np.stack(images)).astype(np.uint8)


@pytest.fixture
def model():
    made = untrained(TrainSettings(latent_dim=8))
    made.input = TAKES
    return made


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """Return the largest angle between rows, in degrees."""
    first, second = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (first, second))
    return float(np.degrees(np.arccos(np.clip((first * second).sum(axis=1), -1, 1))).max())


def test_a_model_for_images_of_its_own_data_stays_as_it_is(model):
    model.input = None
    assert fitted(model, voxel_size_um=None) is model


@pytest.mark.parametrize(
    ("size", "why"),
    [(None, "no voxel size is stated: give --voxel-size-um"), ((1, 5, 2), "got pixels of 5 x 2 um")],
)
def test_pixels_that_it_was_not_made_for_are_refused(model, size, why):
    with pytest.raises(ValueError, match=why):
        fitted(model, voxel_size_um=size)


def test_finer_pixels_get_the_embedding_of_the_coarser_ones(model):
    coarse, fine = waves(64), waves(128)
    wanted = fitted(model, voxel_size_um=(1, 2, 2)).embed(coarse)
    resampled = angle(wanted, fitted(model, voxel_size_um=(1, 1, 1)).embed(fine))
    assert resampled < angle(wanted, fitted(model, voxel_size_um=(1, 2, 2)).embed(fine)) / 4


def test_brightness_changes_no_embedding(model):
    ours = fitted(model, voxel_size_um=(1, 2, 2))
    even = waves() // 2 * 2
    np.testing.assert_allclose(ours.embed(even // 2), ours.embed(even), rtol=1e-3, atol=1e-4)
    assert np.isfinite(ours.embed(np.zeros((1, 64, 64), np.uint8))).all()


def test_what_images_it_takes_is_kept_and_a_map_is_fitted(model, tmp_path):
    model.save(tmp_path / "model")
    assert load_model(tmp_path / "model").input == TAKES
    volume = waves(128, 1)
    np.save(tmp_path / "volume.npy", volume)
    with pytest.raises(ValueError, match="no voxel size is stated"):
        embedding_map(tmp_path / "model", tmp_path / "volume.npy", out=tmp_path / "map.zarr", window=(64, 64))
    found = embedding_map(
        tmp_path / "model",
        tmp_path / "volume.npy",
        out=tmp_path / "map.zarr",
        window=(64, 64),
        stride=(64, 64),
        voxel_size_um=(1, 1, 1),
    )
    ours = fitted(model, voxel_size_um=(1, 1, 1))
    corner = ours.embed(volume[:, 64:, :64])
    np.testing.assert_allclose(np.asarray(found[0])[1, 0], corner[0], rtol=1e-4, atol=1e-5)
