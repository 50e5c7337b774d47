"""The window that a model slides."""

import pytest
import torch
from mtneuro_seg import Model, SweepSettings, TrainSettings
from mtneuro_seg.volume.sweep import window_of


def model(*, trained_on: tuple[int, ...] | None = None, **settings: object) -> Model:
    return Model(
        network=torch.nn.Identity(),
        settings=TrainSettings.model_validate(settings),
        class_names=(),
        provenance={} if trained_on is None else {"data": {"images": {"shape": list(trained_on)}}},
    )


@pytest.mark.parametrize(
    ("given", "window"),
    [
        (model(model="unet", trained_on=(9, 64, 96)), (1, 64, 96)),
        (model(model="unet3d", trained_on=(9, 8, 64, 96)), (8, 64, 96)),
        (model(model="unet"), (1, 256, 256)),
        (model(model="swinunetr"), (8, 256, 256)),
    ],
)
def test_by_default_it_has_the_size_of_the_images_that_were_learned_from(given, window):
    assert window_of(given, SweepSettings()) == window


def test_a_size_that_the_network_does_not_take_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"takes, got \(18, 16\); the nearest: \(16, 16\) or \(24, 16\)"):
        window_of(model(model="unet"), SweepSettings(window=(18, 16)))
