import pickle
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import Cache, TaskArrays, TaskSpec, load, open_task, open_volume
from mtneuro_data._shared.intensity import windowed
from mtneuro_data.grey import GreyVolume, resolved_window, sampled_slices


@pytest.fixture
def wide(task: TaskSpec, volume: np.ndarray, tmp_path: Path) -> tuple[TaskSpec, np.ndarray]:
    """The task over an image of 12 bits, and its voxels."""
    voxels = volume.astype(np.uint16) * 16
    np.save(tmp_path / "wide.npy", voxels)
    return task.replaced(image=str(tmp_path / "wide.npy")), voxels


def test_images_are_grey_levels_of_the_window(wide: tuple[TaskSpec, np.ndarray]) -> None:
    task, voxels = wide
    window = (500.0, 3500.0)
    arrays = load(task.replaced(intensity=window), "test")
    assert (arrays.images.dtype, arrays.intensity) == (np.uint8, window)
    np.testing.assert_array_equal(arrays.images[:9], windowed(voxels[24:33, 4:36, 8:56], window))
    floats = load(task.replaced(intensity=window, image_type="float32", depth=3, z_step=2), "test")
    assert floats.images.dtype == np.float32
    np.testing.assert_array_equal(floats.images[1], windowed(voxels[30:33, 4:36, 8:56], window, "float32"))


def test_an_8_bit_image_without_a_window_stays_what_it_is(task: TaskSpec, volume: np.ndarray) -> None:
    image, _ = open_task(task)
    assert not isinstance(image, GreyVolume)
    arrays = load(task, "test")
    assert arrays.intensity is None
    np.testing.assert_array_equal(arrays.images[:9], volume[24:33, 4:36, 8:56])


def test_percentiles_are_taken_once_of_the_training_images_and_recorded(
    wide: tuple[TaskSpec, np.ndarray], tmp_path: Path
) -> None:
    task, voxels = wide
    asked = task.replaced(intensity=("1%", "99%"))
    boxes = sampled_slices(asked)
    assert len(boxes) == 20  # each slice of both cubes of the split train
    assert {box.lower[0] for box in boxes} == set(range(10))
    sample = np.concatenate([voxels[box.slices].ravel() for box in boxes])
    arrays = load(asked, "test")
    assert arrays.intensity == tuple(np.percentile(sample, (1, 99)))
    arrays.save(tmp_path / "a.npz")
    again = TaskArrays.read(tmp_path / "a.npz")
    assert again.intensity == arrays.intensity
    repeated = load(task.replaced(intensity=again.intensity), "test")
    np.testing.assert_array_equal(repeated.images, arrays.images)


def test_the_sample_is_bounded_and_spread_evenly(task: TaskSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtneuro_data.grey._SAMPLE_SLICES", 4)
    places = [(box.lower[0], box.lower[1]) for box in sampled_slices(task)]
    assert places == [(2, 4), (7, 4), (2, 100), (7, 100)]
    monkeypatch.setattr("mtneuro_data.grey._SAMPLE_VOXELS", 1)
    assert len(sampled_slices(task)) == 1


def test_percentiles_that_are_the_same_are_refused(task: TaskSpec, tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.full((40, 150, 200), 7, np.float32))
    flat = task.replaced(image=str(tmp_path / "flat.npy"))
    with pytest.raises(ValueError, match="two ascending levels, got 7 and 7 for 1% and 99%"):
        resolved_window(("1%", "99%"), flat, open_volume(flat.image))


def test_a_grey_volume_goes_to_another_process_and_is_not_written(wide: tuple[TaskSpec, np.ndarray]) -> None:
    task, voxels = wide
    image, _ = open_task(task.replaced(intensity=(0, 4095)))
    sent = pickle.loads(pickle.dumps(image))
    np.testing.assert_array_equal(sent[3:5, :, :], windowed(voxels[3:5], (0, 4095)))
    with pytest.raises(ValueError, match="not open for writing"):
        image.write((0, 0, 0), np.zeros((1, 1, 1), np.uint8))


def test_a_cache_keeps_the_voxels_and_not_their_grey_levels(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    uri = "phantom://image?shape=8,64,64"
    plain = open_volume(uri)[:, :, :]
    grey = GreyVolume(open_volume(uri, cache=cache), window=(50, 200))
    np.testing.assert_array_equal(grey[:, :, :], windowed(plain, (50, 200)))
    np.testing.assert_array_equal(open_volume(uri, cache=cache)[:, :, :], plain)
