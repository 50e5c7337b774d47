import pytest
import torch
from mtneuro_ssl._shared.devices import chosen_device


@pytest.mark.parametrize(
    ("name", "gpu", "chosen"),
    [("auto", True, "cuda"), (None, True, "cuda"), ("cpu", True, "cpu"), ("auto", False, "cpu")],
)
def test_a_gpu_is_taken_where_there_is_one_and_none_is_refused(name, gpu, chosen, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert chosen_device(name) == torch.device(chosen)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match="device 'cuda' needs a CUDA GPU"):
        chosen_device("cuda")
