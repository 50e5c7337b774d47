"""Every network of mtneuro-seg trains an epoch and predicts: on the phantom, and on a real cutout."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, load
from mtneuro_seg import TrainSettings, load_model, model_names, network, predict, subvolumes, train

SIDE = 128
"""Pixels that the most demanding 2D network, PAN, asks for."""

Labelled = tuple[np.ndarray, np.ndarray, np.ndarray]


@cache
def phantom(classes: int) -> Labelled:
    """Return images, masks and regions in one of the paper's two settings."""
    # The 4-class setting leaves the region ZI out, the 3-class one the axons.
    regions = {"CTX": (4600, 900), "VP": (3063, 850), "ZI": (1543, 650)}
    if classes == 4:
        del regions["ZI"]
    task = TaskSpec(
        name=f"{classes}-class",
        kind="segmentation",
        image="phantom://image",
        annotation="phantom://pixel_labels",
        regions=tuple(regions),
        cubes={
            f"A-{name}": Cube(region=name, y=(y, y + SIDE), x=(x, x + SIDE))
            for name, (x, y) in regions.items()
        },
        splits={"all": (SplitPart(cubes=tuple(f"A-{name}" for name in regions), z=(110, 118)),)},
        class_names=("background", "vessels", "cells", "axons")[:classes],
        label_map={0: 0, 1: 1, 2: 2, 3: 3 if classes == 4 else 0},
    )
    loaded = load(task, "all")
    assert loaded.masks is not None
    return loaded.images, loaded.masks, loaded.region


@cache
def cutout(root: Path) -> Labelled:
    """Return images, masks and the one region of the real cutout."""
    with np.load(root / "dyer2017" / "v2.npz") as held:
        part = np.s_[:16, :SIDE, :SIDE]
        images, masks = held["image"][part], held["label"][part].astype(np.uint8)
    return images, masks, np.zeros(len(images), np.int64)


def trained_and_predicted(name: str, classes: int, given: Labelled, out: Path) -> None:
    """Train a network for an epoch, and see that the model in its folder labels every voxel with a class."""
    images, masks, region = given
    assert set(np.unique(masks)) == set(range(classes))
    asked = {
        "model": name,
        "classes": classes,
        "epochs": 1,
        "batch_size": 2,
        "filters": 8,
        "deterministic": True,
    }
    if network(name).encoder:
        asked |= {"encoder_name": "resnet18", "encoder_weights": None}
    settings = TrainSettings.model_validate(asked)
    if network(name).axes == 3:
        images, masks = (subvolumes(each, depth=8, groups=region)[..., :64, :64] for each in (images, masks))
    else:
        images, masks = images[::4], masks[::4]
    model = train(images, settings, masks=masks, out=out)
    assert [row["epoch"] for row in model.history] == [1]
    assert np.isfinite(model.history[0]["loss"])
    labels = predict(load_model(out), images[:1])
    assert labels.shape == images[:1].shape
    assert labels.max() < classes
    np.testing.assert_array_equal(labels, predict(model, images[:1]))


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("name", model_names())
def test_every_network_trains_an_epoch_and_predicts_on_the_phantom(name: str, classes: int, tmp_path: Path):
    trained_and_predicted(name, classes, phantom(classes), tmp_path / "model")


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_every_network_trains_an_epoch_and_predicts_on_the_real_cutout(
    name: str, tmp_path: Path, real_data: Path
):
    trained_and_predicted(name, 3, cutout(real_data), tmp_path / "model")
