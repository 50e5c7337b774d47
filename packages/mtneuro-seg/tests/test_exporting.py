"""Networks as ONNX: onnxruntime's class scores are torch's, or a line says why there are none."""

from typing import Any

import pytest
import torch
from mtneuro_seg import TrainSettings, model_names
from mtneuro_seg.exporting import ONE_SIZE, export_onnx, exported_sizes
from mtneuro_seg.model import Model, build_network


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")


def model(name: str, **more) -> Model:
    encoder = {"encoder_name": "resnet18"} if TrainSettings(model=name).network.encoder else {}
    settings = TrainSettings(model=name, encoder_weights=None, classes=3, **encoder, **more)
    names = ("background", "vessels", "cells")
    return Model(network=build_network(settings).eval(), settings=settings, class_names=names)


def test_a_small_unet_answers_the_same_at_any_size(tmp_path, unchecked):
    import onnxruntime

    small = model("unet", filters=2, levels=2)
    done = export_onnx(small, tmp_path / "unet.onnx")
    assert done.difference <= 1e-4
    assert done.sizes.multiple == (2, 2)
    session: Any = onnxruntime.InferenceSession(tmp_path / "unet.onnx", providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert about["class_names"] == '["background", "vessels", "cells"]'
    assert (about["mean"], about["sd"]) == ("0.4894", "0.1238")
    given = torch.randn(3, 1, 50, 18)
    with torch.no_grad():
        ours = small.network(given)
    theirs = torch.from_numpy(session.run(["scores"], {"image": given.numpy()})[0])
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", model_names())
def test_every_network_is_exported_or_says_why_not(name, tmp_path, unchecked):
    asked = model(name, filters=4) if name in {"unet", "unet3d"} else model(name)
    size = None
    if name in ONE_SIZE:
        with pytest.raises(ValueError, match=r"can be exported for one size only, .*: name it"):
            export_onnx(asked, tmp_path / "a.onnx")
        size = (64, 64, 64)[-asked.settings.network.axes :]
    assert export_onnx(asked, tmp_path / "a.onnx", size=size).difference < 1e-2
    assert (tmp_path / "a.onnx").is_file()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("unet", (32,), r"size must be y x for 'unet', got 32$"),
        ("unet", (33, 64), r"size must be one that 'unet' takes, such as 40 64, got 33 64$"),
        ("unet3d", (64, 64), r"size must be z y x for 'unet3d', got 64 64$"),
        (
            "pspnet",
            None,
            r"'pspnet' can be exported for one size only, .*: name it \(--size Y X, size=\(y, x\)\)$",
        ),
        ("swinunetr", None, r"'swinunetr' can be exported for one size only, .*: name it \(--size Z Y X"),
    ],
)
def test_sizes_that_cannot_be_exported_are_refused(name, size, message):
    with pytest.raises(ValueError, match=message):
        exported_sizes(TrainSettings(model=name), size)


def test_sizes_are_those_that_a_network_takes():
    assert exported_sizes(TrainSettings(model="fpn"), None).smallest == (64, 64)
    assert exported_sizes(TrainSettings(model="pan"), None).smallest == (128, 128)
    assert exported_sizes(TrainSettings(model="vnetlight"), None).smallest == (16, 32, 32)
    assert exported_sizes(TrainSettings(model="pspnet"), (64, 48)).multiple is None
