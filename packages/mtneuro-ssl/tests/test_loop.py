from pathlib import Path

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, load_model, train
from mtneuro_ssl.settings import ViewSettings
from mtneuro_ssl.views import batch_positions
from safetensors.numpy import load_file

FACTORY = """
from torch import nn

def encoder():
    pooled = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), *pooled)
"""

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


@pytest.fixture
def normalising(tmp_path):
    """Settings of a training of an encoder with batch normalisation."""
    file = tmp_path / "net.py"
    file.write_text(FACTORY)

    def made(**changes: object) -> TrainSettings:
        return settings(encoder=f"{file}:encoder", compile=False, views=ViewSettings(crop=1.0), **changes)

    return made


@pytest.mark.parametrize("method", ["byol", "supervised"])
def test_settled_statistics_are_the_means_over_batches_of_what_the_encoder_is_given(
    normalising, tmp_path, method
):
    labels = np.arange(12) % 2
    given = normalising(method=method, settle_batches=3)
    train(IMAGES, given, labels=labels, out=tmp_path / "settled")
    weights = load_file(tmp_path / "settled" / "model.safetensors")
    kernel, bias = (torch.from_numpy(weights[f"encoder.0.{name}"]) for name in ("weight", "bias"))
    plain = load_file(train_plainly(normalising(method=method), labels, tmp_path) / "model.safetensors")
    statistics = ("encoder.1.running_mean", "encoder.1.running_var", "encoder.1.num_batches_tracked")
    for name, tensor in weights.items():
        assert np.array_equal(tensor, plain[name]) is (name not in statistics), name
    model = load_model(tmp_path / "settled", trusted=(given.encoder,))
    scaled = (torch.from_numpy(IMAGES)[:, None] / 255 - model.settings.mean) / model.settings.sd
    # Views are whole images here: 3 batches of 4 are each image once.
    order = torch.cat([batch_positions(12, 4, step=step, seed=given.seed) for step in range(3)])
    assert sorted(order.tolist()) == list(range(12))
    maps = torch.nn.functional.conv2d(scaled[order], kernel, bias).reshape(3, 4, 6, -1)
    by_batch = maps.transpose(1, 2).flatten(2)
    np.testing.assert_allclose(weights[statistics[0]], by_batch.mean(2).mean(0), atol=1e-5)
    np.testing.assert_allclose(weights[statistics[1]], by_batch.var(2).mean(0), rtol=1e-4)
    assert weights[statistics[2]] == 3


def train_plainly(plain: TrainSettings, labels: np.ndarray, folder: Path) -> Path:
    train(IMAGES, plain, labels=labels, out=folder / "plain")
    return folder / "plain"


def test_a_run_killed_before_its_model_is_written_settles_when_it_goes_on(normalising, tmp_path, monkeypatch):
    given = normalising(method="byol", settle_batches=2)
    train(IMAGES, given, out=tmp_path / "whole")

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("mtneuro_ssl.loop.update_bn", killed)
        with pytest.raises(KeyboardInterrupt):
            train(IMAGES, given, out=tmp_path / "again")
    train(IMAGES, given, out=tmp_path / "again")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    for name, tensor in one.items():
        np.testing.assert_array_equal(tensor, other[name], name)


def test_more_batches_than_steps_and_an_encoder_without_batch_normalisation_do_no_harm(tmp_path):
    train(IMAGES, settings(compile=False, steps=1, settle_batches=3), out=tmp_path / "lab")
    assert load_model(tmp_path / "lab", trusted=("tiny_lab:encoder",)).embed(IMAGES).shape[0] == 12
