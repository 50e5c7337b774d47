"""A network is written as ONNX only where onnxruntime answers as torch does."""

import copy
from typing import Any

import pytest
import torch
from mtneuro_ssl._shared.onnx_file import Sizes, as_exact, write_onnx
from torch import nn

ANY = Sizes(smallest=(8, 8), multiple=(2, 2))


@pytest.fixture(autouse=True)
def installed():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")


class Pyramid(nn.Module):
    """Brings a small map to the size of the image, of which the exporter keeps the first it has seen."""

    def forward(self, images):
        small = nn.functional.adaptive_avg_pool2d(images, 2)
        return nn.functional.interpolate(small, images.shape[2:], mode="bilinear", align_corners=True)


def written(network, path, sizes=ANY):
    return write_onnx(
        network.eval(), path, sizes=sizes, output="answer", about={"mean": "0.5"}, what="the network"
    )


@pytest.mark.slow
def test_a_file_takes_any_batch_and_size_and_states_what_it_is(tmp_path):
    import onnx
    import onnxruntime

    network = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
    difference = written(network, tmp_path / "a.onnx")
    assert 0 <= difference <= 1e-4
    model = onnx.load(tmp_path / "a.onnx")
    assert {entry.key: entry.value for entry in model.metadata_props}["mean"] == "0.5"
    session: Any = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == ["image"]
    assert [each.name for each in session.get_outputs()] == ["answer"]
    assert session.get_inputs()[0].shape[1] == 1
    given = torch.randn(5, 1, 22, 14)
    with torch.no_grad():
        ours = network(given)
    theirs = torch.from_numpy(session.run(None, {"image": given.numpy()})[0])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_what_keeps_something_of_one_size_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(
        ValueError, match=r"^the network (answers otherwise|cannot be exported|does not run)"
    ) as error:
        written(Pyramid(), tmp_path / "a.onnx")
    assert "--size exports it for one size" in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_difference_that_torch_makes_too_is_rounding():
    network, given = nn.Conv2d(1, 2, 3), torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        exact = copy.deepcopy(network).double()(given.double()).numpy()
    assert as_exact(network, given, ours=exact + 1e-3, theirs=exact - 1e-3)
    assert not as_exact(network, given, ours=exact + 1e-7, theirs=exact + 1e-3)
    assert not as_exact(network, given, ours=exact, theirs=exact[:, :1])
    assert network.weight.dtype == torch.float32


def test_sizes_to_compare_at_differ_in_every_axis():
    sizes = Sizes(smallest=(16, 32, 32), multiple=(4, 8, 8))
    assert sizes.others() == [(20, 48, 56), (28, 48, 40)]
    assert Sizes(smallest=(16, 16)).others() == []


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.extras.find_spec", lambda _: None)
    with pytest.raises(
        ValueError, match=r"an export needs the package 'onnx': pip install 'mtneuro-ssl\[export\]'"
    ):
        written(nn.Identity(), tmp_path / "a.onnx")
