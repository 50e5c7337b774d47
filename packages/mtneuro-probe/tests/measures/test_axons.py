import json
from pathlib import Path

import numpy as np
import pytest
from mtneuro_probe.measures.axons import coherence, orientation
from mtneuro_probe.measures.label_images import LabelImages


def images(mask: np.ndarray, spacing: tuple[float, float] = (1.0, 1.0)) -> LabelImages:
    return LabelImages(labels=mask.astype(np.uint8), values={"axon": 1}, spacing_um=np.array(spacing, float))


def stripes(degrees: float, side: int = 128) -> np.ndarray:
    """Bands that run at an angle, anticlockwise from x on a picture whose y points down."""
    y, x = np.mgrid[:side, :side]
    across = x * np.sin(np.radians(degrees)) + y * np.cos(np.radians(degrees))
    return (np.sin(across / 4) > 0)[None]


@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 120, 175])
def test_stripes_run_the_way_they_were_drawn(degrees):
    found = orientation(images(stripes(degrees)), "axon")[0]
    assert (found - degrees + 90) % 180 - 90 == pytest.approx(0, abs=2)
    assert coherence(images(stripes(degrees)), "axon")[0] > 0.9


def test_a_disc_has_no_direction():
    y, x = np.mgrid[-40:41, -40:41]
    disc = images(np.hypot(y, x)[None] < 20)
    assert coherence(disc, "axon")[0] < 0.01


def test_mirroring_an_image_mirrors_its_direction():
    mask = stripes(30)
    assert orientation(images(mask[:, :, ::-1]), "axon")[0] == pytest.approx(
        180 - orientation(images(mask), "axon")[0], abs=1e-6
    )


def test_longer_pixels_lay_the_axons_down():
    found = orientation(images(stripes(45), (1, 2)), "axon")[0]
    assert found == pytest.approx(np.degrees(np.arctan(0.5)), abs=4)


def test_an_image_without_axons_has_no_direction():
    mask = np.zeros((2, 16, 16), bool)
    mask[1] = True
    assert np.isnan(orientation(images(mask), "axon")).all()
    assert np.isnan(coherence(images(mask), "axon")).all()


def test_human_axons_run_the_way_that_was_measured(real_data: Path):
    measured = json.loads((real_data / "prasad2020/calibration.json").read_text())
    with np.load(real_data / "prasad2020/human_labels.npz") as drawn:
        for region in ("STR", "VP"):
            axons = images(drawn[region] == 3, (1.17, 1.17))
            figure = measured["masks_human_8slices_per_region"][region]["axons"]
            turns = np.exp(2j * np.radians(orientation(axons, "axon")))
            found = np.degrees(np.angle((coherence(axons, "axon") * turns).mean())) / 2
            # There in degrees with y pointing down, over all slices together.
            assert abs((found + figure["tensor_dir_deg_ydown"] + 90) % 180 - 90) < 12
