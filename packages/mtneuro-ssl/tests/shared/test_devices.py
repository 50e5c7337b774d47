from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from mtneuro_ssl._shared.devices import (
    check_available,
    check_full_precision,
    chosen_device,
    in_double,
    is_available,
    missing_operations_named,
    random_state_kept,
)


@pytest.fixture
def there(monkeypatch):
    """Says which GPUs torch finds: ``there("cuda", "mps")``."""

    def found(*names: str) -> None:
        monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in names)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in names)

    return found


@pytest.mark.parametrize(
    ("name", "gpus", "chosen"),
    [
        ("auto", ("cuda", "mps"), "cuda"),
        (None, ("cuda",), "cuda"),
        ("auto", ("mps",), "mps"),
        ("mps", ("cuda", "mps"), "mps"),
        ("cpu", ("cuda", "mps"), "cpu"),
        ("auto", (), "cpu"),
    ],
)
def test_auto_takes_cuda_before_a_macs_gpu_before_the_cpu(name, gpus, chosen, there):
    there(*gpus)
    assert chosen_device(name) == torch.device(chosen)


@pytest.mark.parametrize(
    ("name", "other", "lacks"),
    [("cuda", "mps", "a CUDA GPU and driver"), ("mps", "cuda", "the GPU of a Mac")],
)
def test_a_gpu_that_is_not_there_is_refused_and_no_other_taken(name, other, lacks, there):
    there(other)
    assert not is_available(name)
    with pytest.raises(ValueError, match=f"device {name!r} needs {lacks}.*; use 'auto' or 'cpu'"):
        chosen_device(name)
    with pytest.raises(ValueError, match="found none; use 'cpu'"):
        check_available(name)


def test_a_name_of_no_device_is_refused():
    with pytest.raises(ValueError, match="must be 'auto', 'cpu', 'cuda' or 'mps', got 'tpu'"):
        chosen_device("tpu")


def test_mixed_precision_is_for_others_than_a_macs_gpu():
    check_full_precision(torch.device("cuda"), "bf16-mixed")
    check_full_precision(torch.device("mps"), "32-true")
    with pytest.raises(ValueError, match="must be '32-true' on device 'mps', got '16-mixed'"):
        check_full_precision(torch.device("mps"), "16-mixed")


def test_double_precision_is_on_the_cpu_for_a_macs_gpu(unchecked):
    class OnMac:
        device = SimpleNamespace(type="mps")

        def cpu(self) -> torch.Tensor:
            return torch.ones(2)

        def double(self) -> torch.Tensor:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")

    assert in_double(cast("Any", OnMac())).dtype is torch.float64
    assert in_double(torch.ones(2)).dtype is torch.float64


def test_the_random_state_of_a_macs_gpu_is_restored_too(monkeypatch):
    state = ["before"]
    monkeypatch.setattr("torch.mps.get_rng_state", lambda: state[0])
    monkeypatch.setattr("torch.mps.set_rng_state", lambda kept: state.append(kept))
    before = torch.get_rng_state()
    with random_state_kept(torch.device("mps")):
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert state == ["before", "before"]


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError(
            "The operator 'aten::max_pool3d' is not currently implemented for the MPS device. If you want"
        ),
        TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework has none."),
    ],
)
def test_what_a_macs_gpu_lacks_is_one_line(error):
    expected = r"device 'mps' must have every operation, got: .*use 'cpu'"
    with pytest.raises(ValueError, match=expected) as told, missing_operations_named():
        raise error
    assert "If you want" not in str(told.value)


def test_other_errors_pass():
    with pytest.raises(TypeError, match="another"), missing_operations_named():
        raise TypeError("another")
