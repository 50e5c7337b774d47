"""A package of bioimage.io passes the library's own test, and gives our probabilities of raw images."""

import zipfile

import numpy as np
import pytest
from mtneuro_seg import TrainSettings
from mtneuro_seg._shared.onnx_file import Sizes
from mtneuro_seg._shared.pixels import as_pixels
from mtneuro_seg.bioimageio_package import _middle, _scaling, export_bioimageio
from mtneuro_seg.model import Model, build_network, normalised

NAMES = ("background", "blood vessels", "3rd")


def model(**more) -> Model:
    settings = TrainSettings(filters=2, levels=2, classes=3, **more)
    return Model(network=build_network(settings).eval(), settings=settings, class_names=NAMES)


@pytest.mark.slow
# The library leaves the package open until it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "name"), [("uint8", "unet"), ("uint16", "unet"), ("uint8", "unet3d")])
def test_a_package_passes_the_librarys_own_test_and_predicts_raw_images(kind, name, tmp_path, unchecked):
    core = pytest.importorskip("bioimageio.core")
    images = np.random.default_rng(0).integers(0, np.iinfo(kind).max, (40, 70, 90), dtype=kind)
    sample = images if name == "unet3d" else images[0]
    ours = model(model=name, image_type=kind)
    export_bioimageio(ours, tmp_path / "a.zip", sample=sample, authors=["A. Author"], licence="MIT")
    assert core.test_model(tmp_path / "a.zip").status == "passed"
    described = core.load_description(tmp_path / "a.zip")
    assert described.license == "MIT"
    assert [str(each) for each in described.outputs[0].axes[1].channel_names] == [
        "background", "blood_vessels", "_3rd",
    ]  # fmt: skip
    with zipfile.ZipFile(tmp_path / "a.zip") as package:
        (text,) = [each for each in package.namelist() if each.endswith("README.md")]
        assert "## Validation" in package.read(text).decode()


def test_the_stated_normalisation_is_ours_of_raw_intensities():
    import torch

    for kind in ("uint8", "uint16", "float32"):
        settings = TrainSettings(mean=0.4, sd=0.2, image_type=kind)
        high = 1 if kind == "float32" else np.iinfo(kind).max
        raw = (np.linspace(0, 1, 7) * high).astype(kind)
        mean, sd = _scaling(settings)
        ours = normalised(torch.from_numpy(as_pixels(raw, settings)), settings).numpy()
        np.testing.assert_allclose((raw.astype(np.float64) - mean) / sd, ours, atol=1e-5)


def test_a_sample_is_a_middle_part_that_the_network_takes():
    settings, sizes = TrainSettings(), Sizes(smallest=(32, 32), multiple=(8, 8))
    sample = np.arange(50 * 90, dtype=np.uint8).reshape(50, 90)
    part = _middle(sample, settings, sizes)
    assert part.shape == (1, 1, 48, 64)
    np.testing.assert_array_equal(part[0, 0], sample[1:49, 13:77])


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            np.zeros((2, 64, 64), np.uint8),
            r"sample must have axes \(y, x\) for 'unet', got shape \(2, 64, 64\)",
        ),
        (np.zeros((20, 64), np.uint8), r"sample must be at least 32 x 64 for 'unet', got shape \(20, 64\)"),
        (np.zeros((64, 64), np.float32), r"sample: an image must be uint8, got float32"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(sample, message):
    with pytest.raises(ValueError, match=message):
        _middle(sample, TrainSettings(), Sizes(smallest=(32, 32), multiple=(8, 8)))


def test_a_package_needs_its_authors(tmp_path):
    pytest.importorskip("bioimageio.core")
    with pytest.raises(ValueError, match=r"authors must name who made the model, got \['  '\]"):
        export_bioimageio(
            model(), tmp_path / "a.zip", sample=np.zeros((32, 32), np.uint8), authors=["  "], licence="MIT"
        )
