"""``mtneuro-ssl export``."""

import pytest
from mtneuro_ssl import TrainSettings, untrained
from mtneuro_ssl._shared.onnx_file import Sizes
from mtneuro_ssl.exporting import Exported

TRUST = ("--trust", "tiny_lab:encoder")


@pytest.fixture
def folder(tmp_path):
    untrained(TrainSettings(encoder="tiny_lab:encoder", device="cpu")).save(tmp_path / "model")
    return tmp_path / "model"


def test_what_is_written_is_told_with_sizes_and_difference(run, folder, tmp_path, capsys, monkeypatch):
    asked: list[object] = []

    def exported(model, path, *, size):
        asked.append((model.dim, path, size))
        multiple = None if size else (32, 32)
        return Exported(sizes=Sizes(smallest=size or (64, 64), multiple=multiple), difference=2e-6)

    monkeypatch.setattr("mtneuro_ssl.exporting.export_onnx", exported)
    onnx = tmp_path / "a.onnx"
    run("export", folder, "--onnx", onnx, *TRUST)
    assert "for images of any multiple of 32 x 32; onnxruntime differs by 2e-06" in capsys.readouterr().out
    run("export", folder, "--onnx", onnx, *TRUST, "--size", 16, 24)
    assert "for images of 16 x 24;" in capsys.readouterr().out
    assert asked == [(256, onnx, None), (256, onnx, (16, 24))]


def test_a_file_is_not_replaced_unasked_and_a_wrong_size_is_refused(run, folder, tmp_path, capsys):
    onnx = tmp_path / "a.onnx"
    onnx.touch()
    run("export", folder, "--onnx", onnx, *TRUST, status=2)
    assert "--force replaces it" in capsys.readouterr().err
    run("export", folder, "--onnx", onnx, *TRUST, "--force", "--size", 15, status=2)
    assert "size must be y x for this encoder, got 15" in capsys.readouterr().err
    run("export", folder, "--onnx", onnx, "--force", status=2)
    assert "--trust tiny_lab:encoder" in capsys.readouterr().err
