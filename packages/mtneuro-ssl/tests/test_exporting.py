"""Encoders as ONNX: onnxruntime's features are torch's, or a line says why there are none."""

from typing import Any

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, train, untrained
from mtneuro_ssl.exporting import export_onnx, exported_sizes
from mtneuro_ssl.settings import VitSettings


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")


def test_a_small_encoder_answers_the_same_at_any_size(tmp_path, unchecked):
    import onnxruntime

    shape = VitSettings(width=12, layers=1, heads=1)
    model = untrained(TrainSettings(encoder="vit", vit=shape, latent_dim=5, device="cpu"))
    done = export_onnx(model, tmp_path / "vit.onnx")
    assert done.difference <= 1e-4
    assert done.sizes.multiple == (8, 8)
    session: Any = onnxruntime.InferenceSession(tmp_path / "vit.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (3, 40, 24), dtype=np.uint8)
    about = session.get_modelmeta().custom_metadata_map
    given = (images[:, None].astype(np.float32) / 255 - float(about["mean"])) / float(about["sd"])
    np.testing.assert_allclose(session.run(["features"], {"image": given})[0], model.embed(images), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoder", "more"),
    [
        ("resnet18", {}),
        ("resnet50", {}),
        ("vit", {}),
        ("resnet18", {"depth": 8}),
        ("resnet50", {"depth": 8}),
        ("vit", {"depth": 8}),
        ("timm/resnet18", {}),
        ("timm/convnext_atto", {}),
        ("timm/vit_tiny_patch16_224", {"image_size": (64, 64)}),
    ],
)
def test_every_encoder_is_exported(encoder, more, tmp_path, unchecked):
    model = untrained(TrainSettings(encoder=encoder, device="cpu", **more))
    assert export_onnx(model, tmp_path / "a.onnx").difference < 1e-2


def test_what_has_no_encoder_of_images_says_so(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    pca = train(images, TrainSettings(method="pca", components=2), out=tmp_path / "pca")
    with pytest.raises(ValueError, match=r"^an export needs an encoder, and 'pca' has none$"):
        export_onnx(pca, tmp_path / "a.onnx")
    points = untrained(TrainSettings(encoder="deepsets", device="cpu"))
    with pytest.raises(ValueError, match=r"needs an encoder of images, and encoder 'deepsets' takes none$"):
        export_onnx(points, tmp_path / "a.onnx")
    with pytest.raises(ValueError, match=r"^size must be y x for this encoder, got 8$"):
        exported_sizes(TrainSettings(), (8,))
    with pytest.raises(ValueError, match=r"^size must be z y x for this encoder, got 8 8$"):
        exported_sizes(TrainSettings(depth=8), (8, 8))


def test_sizes_are_those_that_an_encoder_takes():
    assert exported_sizes(TrainSettings(), None).multiple == (1, 1)
    assert exported_sizes(TrainSettings(encoder="vit", depth=8), None).smallest == (8, 32, 32)
    assert exported_sizes(TrainSettings(encoder="timm/resnet18"), None).multiple == (32, 32)
    fixed = exported_sizes(TrainSettings(encoder="timm/vit_tiny_patch16_224", image_size=(64, 48)), None)
    assert (fixed.smallest, fixed.multiple) == ((64, 48), None)
