"""Models are fitted to the pixel size and the brightness of the images that they are given."""

import numpy as np
import pytest
import torch
from mtneuro_seg import InputSettings, Model, TrainSettings, fitted, load_model, predict, swept_labels
from mtneuro_seg.model import build_network
from torch import nn

TAKES = InputSettings(pixel_size_um=1.0)


class Brighter(nn.Module):
    """Label 1 where a pixel is brighter than 160 of 255, in images whose sides are multiples of 4."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert not any(length % 4 for length in images.shape[-2:])
        settings = TrainSettings()
        levels = images * settings.sd + settings.mean
        return torch.cat([torch.full_like(images, 160 / 255), levels], dim=1)


def brighter(takes: InputSettings | None = TAKES) -> Model:
    settings = TrainSettings(model="unet", classes=2, filters=4, levels=3)
    return Model(network=Brighter(), settings=settings, class_names=("dark", "bright"), input=takes)


def blocks(*, side: int = 8, size: int = 64) -> np.ndarray:
    """Return two slices of dark and bright blocks, half of each, whose median is 128."""
    y, x = np.indices((size, size)) // side
    slices = np.where((y + x) % 2, 200, 120).astype(np.uint8)
    slices[:, size // 2 :] = 128
    return np.stack([slices, slices])


def test_a_model_for_images_of_its_own_data_stays_as_it_is():
    model = brighter(None)
    assert fitted(model, blocks(), voxel_size_um=None) is model


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (None, "no voxel size is stated: give --voxel-size-um"),
        ((1.0, 0.4, 1.0), r"pixels of 0.5 to 2 um, .* got pixels of 0.4 x 1 um"),
        ((1.0, 1.0, 2.5), "got pixels of 1 x 2.5 um"),
    ],
)
def test_pixels_that_it_was_not_made_for_are_refused(size, why):
    with pytest.raises(ValueError, match=why):
        fitted(brighter(), blocks(), voxel_size_um=size)


def test_a_black_volume_is_refused():
    with pytest.raises(ValueError, match="must hold voxels above 0"):
        fitted(brighter(), np.zeros((3, 8, 8), np.uint8), voxel_size_um=(1, 1, 1))


def test_finer_pixels_get_the_labels_of_the_coarser_ones():
    coarse = blocks()
    fine = coarse.repeat(2, axis=1).repeat(2, axis=2)
    wanted = predict(fitted(brighter(), coarse, voxel_size_um=(1, 1, 1)), coarse)
    found = predict(fitted(brighter(), fine, voxel_size_um=(1, 0.5, 0.5)), fine)
    assert found.shape == fine.shape
    assert wanted.any()
    differing = found != wanted.repeat(2, axis=1).repeat(2, axis=2)
    # Where blocks meet, resampling mixes them.
    assert differing.mean() < 0.1
    middles = differing.reshape(2, 16, 8, 16, 8)[:, :, 3:5, :, 3:5]
    assert not middles.any()


def test_coarse_pixels_along_one_axis_are_resampled_along_it_alone():
    network = fitted(brighter(), blocks(), voxel_size_um=(1, 2, 1)).network.entrance
    assert network.inner_size((64, 64)) == (128, 64)
    assert network.inner_size((66, 63)) == (132, 64)
    assert network.inner_size((3, 1)) == (8, 4)


def test_pixels_of_nearly_the_same_size_are_not_resampled():
    network = fitted(brighter(), blocks(), voxel_size_um=(1, 1.04, 0.97)).network.entrance
    assert network.inner_size((64, 100)) == (64, 100)


@pytest.mark.parametrize("share", [0.5, 0.25, 1.25])
def test_brightness_changes_no_label(share):
    given = blocks()
    wanted = predict(fitted(brighter(), given, voxel_size_um=(1, 1, 1)), given)
    other = (given * share).astype(np.uint8)
    np.testing.assert_array_equal(predict(fitted(brighter(), other, voxel_size_um=(1, 1, 1)), other), wanted)


def test_what_is_outside_of_the_tissue_does_not_count_as_dark_tissue():
    given = blocks()
    framed = np.pad(given, ((0, 0), (64, 64), (64, 64)))
    found = swept_labels(fitted(brighter(), framed, voxel_size_um=(1, 1, 1)), framed)
    wanted = swept_labels(fitted(brighter(), given, voxel_size_um=(1, 1, 1)), given)
    np.testing.assert_array_equal(found[:, 64:-64, 64:-64], wanted)


def test_unrelated_images_have_each_its_own_median():
    given = blocks()
    mixed = np.concatenate([given[:1], given[:1] // 2])
    wanted = predict(fitted(brighter(), given, voxel_size_um=(1, 1, 1)), given)
    each = fitted(brighter(), mixed, voxel_size_um=(1, 1, 1), each_image=True)
    np.testing.assert_array_equal(predict(each, mixed), wanted)


def test_models_of_other_fits_have_other_names():
    from mtneuro_seg.model import weights_digest

    given = blocks()
    names = {
        weights_digest(fitted(brighter(), volume, voxel_size_um=size))
        for volume, size in ((given, (1, 1, 1)), (given, (1, 0.5, 0.5)), (given // 2, (1, 1, 1)))
    }
    assert len(names) == 3


def test_what_images_it_takes_is_kept_with_the_model(tmp_path):
    settings = TrainSettings(model="unet", classes=2, filters=4, levels=2)
    names = ("dark", "bright")
    plain = Model(network=build_network(settings), settings=settings, class_names=names)
    plain.save(tmp_path / "plain")
    assert load_model(tmp_path / "plain").input is None
    Model(network=plain.network, settings=settings, class_names=names, input=TAKES).save(tmp_path / "model")
    assert load_model(tmp_path / "model").input == TAKES
