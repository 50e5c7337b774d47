"""``mtneuro-seg export``."""

import numpy as np
import pytest
from mtneuro_seg import TrainSettings
from mtneuro_seg._shared.onnx_file import Sizes
from mtneuro_seg.exporting import Exported
from mtneuro_seg.model import Model, build_network


@pytest.fixture
def folder(tmp_path):
    settings = TrainSettings(filters=2, levels=2, classes=2)
    model = Model(network=build_network(settings).eval(), settings=settings, class_names=("a", "b"))
    model.save(tmp_path / "model")
    return tmp_path / "model"


def test_what_is_written_is_told_with_sizes_and_difference(run, folder, tmp_path, capsys, monkeypatch):
    asked: list[object] = []

    def exported(model, path, *, size):
        asked.append((model.class_names, path, size))
        multiple = None if size else (2, 2)
        return Exported(sizes=Sizes(smallest=size or (32, 32), multiple=multiple), difference=2e-6)

    monkeypatch.setattr("mtneuro_seg.exporting.export_onnx", exported)
    onnx = tmp_path / "a.onnx"
    assert run("export", folder, "--onnx", onnx) == 0
    assert "for images of any multiple of 2 x 2; onnxruntime differs by 2e-06" in capsys.readouterr().out
    assert run("export", folder, "--onnx", onnx, "--size", 16, 24) == 0
    assert "for images of 16 x 24;" in capsys.readouterr().out
    assert asked == [(("a", "b"), onnx, None), (("a", "b"), onnx, (16, 24))]


def test_a_file_is_not_replaced_unasked_and_a_wrong_size_is_refused(run, folder, tmp_path, capsys):
    onnx = tmp_path / "a.onnx"
    onnx.touch()
    assert run("export", folder, "--onnx", onnx) == 2
    assert "--force replaces it" in capsys.readouterr().err
    assert run("export", folder, "--onnx", onnx, "--force", "--size", 15, 16) == 2
    assert "size must be one that 'unet' takes, such as 16 16, got 15 16" in capsys.readouterr().err
    assert run("export", folder, "--onnx", tmp_path / "a.pt") == 2
    assert "ONNX must be written to a .onnx, got" in capsys.readouterr().err


def test_a_package_needs_a_sample_authors_and_a_licence(run, folder, tmp_path, capsys, monkeypatch):
    assert run("export", folder) == 2
    assert "--onnx FILE or --bioimageio FILE must say what to write" in capsys.readouterr().err
    package = tmp_path / "a.zip"
    assert run("export", folder, "--bioimageio", package, "--author", "A. Author") == 2
    assert "--sample VOLUME --author NAME --licence CC-BY-4.0" in capsys.readouterr().err
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    asked = {}

    def exported(model, path, **given):
        asked.update(given, path=path)
        return Exported(sizes=Sizes(smallest=(32, 32), multiple=(2, 2)), difference=2e-6)

    monkeypatch.setattr("mtneuro_seg.bioimageio_package.export_bioimageio", exported)
    sample = ("--sample", tmp_path / "images.npy", "--author", "A. Author", "--licence", "MIT")
    assert run("export", folder, "--bioimageio", package, *sample) == 0
    np.testing.assert_array_equal(asked["sample"], images[0])
    assert (asked["path"], asked["authors"], asked["licence"]) == (package, ("A. Author",), "MIT")
