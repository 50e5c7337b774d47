import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from mtneuro_ssl import TrainSettings, train
from mtneuro_ssl.stream import StreamedImages, blocks, is_streamed, memory_of, varies
from mtneuro_ssl.subvolumes import Subvolumes
from mtneuro_ssl.training import new_method, run_digest

IMAGES = np.random.default_rng(0).integers(0, 256, (14, 16, 20), dtype=np.uint8)


def small(method: str, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": method, "batch_size": 4, "steps": 5, "hidden": 16, "projection": 8,
        "encoder": "tiny_lab:encoder", "latent_dim": 8, "device": "cpu", "checkpoint_every": 9,
    }  # fmt: skip
    if method == "mae":
        changes |= {"encoder": "vit", "vit": {"patch": 2, "patch_depth": 2, "width": 24, "layers": 1}}
    return TrainSettings.model_validate(values | changes)


@pytest.fixture
def volume(tmp_path: Path) -> zarr.Array[Any]:
    return zarr.create_array(tmp_path / "volume.zarr", data=IMAGES, chunks=(1, 16, 20))


class Counted:
    """A volume that knows which slices were read, and by which thread."""

    def __init__(self, images: np.ndarray = IMAGES) -> None:
        self.images, self.shape, self.dtype = images, images.shape, images.dtype
        self.read: list[tuple[Any, bool]] = []

    def __getitem__(self, key: Any, /) -> np.ndarray:
        self.read.append((key, threading.current_thread().name.startswith("images")))
        return self.images[key]


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("byol", {}),
        ("myow", {"pool_size": 9, "views": {"slices": 2, "flip": 0.5}}),
        ("supervised", {}),
        ("mae", {}),
    ],
)
def test_a_streamed_run_is_bit_equal_to_one_in_memory(method, changes, volume, tmp_path):
    more: dict[str, Any] = {
        "labels": np.arange(14) % 3,
        "sample_id": np.array([f"a/z{z}" for z in range(14)]),
    }
    train(IMAGES, small(method, stream=False, **changes), out=tmp_path / "memory", **more)
    train(volume, small(method, stream=True, **changes), out=tmp_path / "streamed", **more)
    for name in ("model.safetensors", "history.csv", "monitor.csv"):
        assert (tmp_path / "streamed" / name).read_bytes() == (tmp_path / "memory" / name).read_bytes()


@pytest.mark.parametrize("method", ["myow", "supervised+mixup", "mae"])
def test_streamed_subvolumes_give_the_model_of_those_in_memory(method, tmp_path):
    deep = np.random.default_rng(0).integers(0, 256, (10, 4, 16, 20), dtype=np.uint8)
    volume = zarr.create_array(tmp_path / "volume.zarr", data=deep, chunks=(1, 4, 16, 20))
    slices = Subvolumes(deep.reshape(40, 16, 20), np.arange(40).reshape(10, 4))
    for name, given, stream in (("memory", deep, False), ("zarr", volume, True), ("cut", slices, True)):
        settings = small(method, encoder="tiny_lab:encoder_3d", stream=stream)
        train(given, settings, labels=np.arange(10) % 3, out=tmp_path / name)
    for name in ("zarr", "cut"):
        for file in ("model.safetensors", "history.csv", "monitor.csv"):
            assert (tmp_path / name / file).read_bytes() == (tmp_path / "memory" / file).read_bytes()


def test_an_interrupted_streamed_run_goes_on_from_memory_to_the_same_end(volume, tmp_path):
    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Interrupted

    settings = small("byol", stream=True, checkpoint_every=0)
    with pytest.raises(Interrupted):
        train(volume, settings, out=tmp_path / "parts", progress=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("images")]
    done: list[int] = []
    train(IMAGES, small("byol"), out=tmp_path / "parts", progress=lambda step, _: done.append(step))
    train(IMAGES, small("byol"), out=tmp_path / "whole")
    assert done == [4, 5]
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("parts", "whole")]
    assert weights[0] == weights[1]


def test_the_next_steps_images_are_read_ahead_and_no_others():
    volume = Counted()
    method = new_method(volume, small("myow", stream=True))
    assert isinstance(method.images, StreamedImages)
    method.step_logs(method.draw_at(0))
    soon = {*method.sample_positions(0).tolist(), *method.sample_positions(1).tolist()}
    patience = time.monotonic() + 20
    while len(volume.read) < len(soon) and time.monotonic() < patience:
        time.sleep(0.01)
    assert sorted(key for key, _ in volume.read) == sorted(soon)
    assert all(ahead for _, ahead in volume.read)
    volume.read.clear()
    method.draw_at(1)
    assert method.images._reads.keys() == {
        *method.sample_positions(1).tolist(),
        *method.sample_positions(2).tolist(),
    }
    method.images.close()


def test_an_image_that_was_not_expected_is_read_at_once():
    volume = Counted()
    images = StreamedImages(volume)
    found = images.at(torch.tensor([3, 1, 3]))
    np.testing.assert_array_equal(found.numpy(), IMAGES[[3, 1, 3]])
    assert not any(ahead for _, ahead in volume.read)
    images.close()


def test_a_read_that_fails_ends_the_run(tmp_path):
    class Broken(Counted):
        def __getitem__(self, key: Any, /) -> np.ndarray:
            if isinstance(key, int):
                raise OSError("chunk 7 is gone")
            return super().__getitem__(key)

    with pytest.raises(OSError, match="chunk 7 is gone"):
        train(Broken(), small("byol", stream=True), out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_by_default_only_what_does_not_fit_is_streamed():
    class Huge:
        shape, dtype = (10**6, 2048, 2048), np.dtype(np.uint8)

        def __getitem__(self, key: Any, /) -> np.ndarray:
            raise AssertionError

    cpu = torch.device("cpu")
    assert memory_of(cpu) > 2**28
    assert is_streamed(Huge(), stream=None, device=cpu)
    assert not is_streamed(Huge(), stream=False, device=cpu)
    assert not is_streamed(IMAGES, stream=None, device=cpu)
    assert is_streamed(IMAGES, stream=True, device=cpu)
    assert not is_streamed(np.zeros((4, 9), np.float32), stream=True, device=cpu)


def test_a_run_is_the_same_in_any_blocks(volume, monkeypatch):
    settings = small("byol").resolved()
    whole = run_digest(IMAGES, settings)
    monkeypatch.setattr("mtneuro_ssl.stream._BLOCK_BYTES", 1000)
    assert [len(block) for block in blocks(volume)] == [3, 3, 3, 3, 2]
    assert run_digest(volume, small("byol", stream=True).resolved()) == whole


def test_no_more_is_read_than_it_takes_to_see_that_images_vary(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.stream._BLOCK_BYTES", 320)
    volume = Counted()
    assert varies(volume)
    assert len(volume.read) == 2
    flat = np.full((3, 4, 4), 9, np.uint8)
    assert not varies(flat)
    flat[2, 3, 3] = 8
    assert varies(flat)
