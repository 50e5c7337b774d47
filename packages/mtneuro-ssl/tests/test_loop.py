import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, load_model, train
from safetensors.numpy import load_file

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=np.uint8)


def settings(**changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": "myow", "encoder": "tiny_lab:encoder", "batch_size": 4, "steps": 4, "hidden": 16,
        "projection": 8, "latent_dim": None, "device": "cpu", "compile": True, "checkpoint_every": 0,
    }  # fmt: skip
    return TrainSettings.model_validate(values | changes)


@pytest.mark.slow
def test_a_compiled_run_learns_the_same_and_resumes_bit_equal(tmp_path):
    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Interrupted

    train(IMAGES, settings(), out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(IMAGES, settings(), out=tmp_path / "parts", progress=stop)
    train(IMAGES, settings(), out=tmp_path / "parts")
    for name in ("model.safetensors", "history.csv", "monitor.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    train(IMAGES, settings(compile=False), out=tmp_path / "eager")
    eager, compiled = (load_file(tmp_path / name / "model.safetensors") for name in ("eager", "whole"))
    assert eager.keys() == compiled.keys()
    for name, part in eager.items():
        np.testing.assert_allclose(compiled[name], part, rtol=1e-3, atol=1e-5)
    assert load_model(tmp_path / "whole", trusted=["tiny_lab:encoder"]).dim == 16


def test_compiling_without_a_compiler_is_refused_before_training(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ValueError, match=r"needs a C\+\+ compiler on a CPU, found none of g\+\+, clang\+\+"):
        train(IMAGES, settings(), out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_training_that_runs_out_of_memory_names_the_setting_to_lower(tmp_path):
    def fail(done: int, total: int) -> None:
        raise torch.OutOfMemoryError("tried to allocate 80 GiB")

    with pytest.raises(ValueError, match=r"training must fit into memory, got: .*; lower batch_size"):
        train(IMAGES, settings(compile=False), out=tmp_path / "model", progress=fail)
