from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_ssl import Grid, TrainSettings, corner_crops, embedding_map, load_model, train
from mtneuro_ssl._shared.terminal import Ranges
from mtneuro_ssl.dense import grid_of

TINY = "tiny_lab:encoder"
VOLUME = np.random.default_rng(0).integers(0, 256, (3, 40, 50), dtype=np.uint8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    settings = TrainSettings(method="untrained", encoder=TINY, latent_dim=5, device="cpu")
    train(VOLUME, settings, out=tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    zarr.create_array(tmp_path / "volume.zarr", data=VOLUME, chunks=(1, 16, 16))
    return tmp_path / "volume.zarr"


def mapped(model: Path, volume: Path, **changes: object) -> np.ndarray:
    options: dict[str, object] = {"window": (16, 12), "stride": (8, 12), "trusted": [TINY]}
    return np.asarray(embedding_map(model, volume, **(options | changes))[...])  # pyright: ignore[reportArgumentType]


def test_each_window_has_its_own_embedding(model, volume, tmp_path):
    found = mapped(model, volume, out=tmp_path / "map.zarr")
    assert found.shape == (3, 4, 4, 5)
    loaded = load_model(model, trusted=[TINY])
    for z, row, column in ((0, 0, 0), (1, 3, 2), (2, 2, 3)):
        window = VOLUME[z, 8 * row : 8 * row + 16, 12 * column : 12 * column + 12]
        np.testing.assert_allclose(found[z, row, column], loaded.embed(window[None])[0], atol=1e-5)


DEEP = "tiny_lab:encoder_3d"


@pytest.fixture
def deep_model(tmp_path: Path) -> Path:
    settings = TrainSettings(method="untrained", encoder=DEEP, latent_dim=5, device="cpu")
    train(np.stack([VOLUME[:2], VOLUME[1:]]), settings, out=tmp_path / "deep")
    return tmp_path / "deep"


def test_a_model_of_subvolumes_maps_windows_of_as_many_slices(deep_model, tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)
    volume = np.random.default_rng(1).integers(0, 256, (5, 40, 50), dtype=np.uint8)
    zarr.create_array(tmp_path / "five.zarr", data=volume, chunks=(2, 16, 16))
    loaded = load_model(deep_model, trusted=[DEEP])
    found = mapped(deep_model, tmp_path / "five.zarr", out=tmp_path / "map.zarr", trusted=[DEEP])
    assert found.shape == (2, 4, 4, 5)
    for place, row, column in ((0, 0, 0), (1, 3, 2)):
        z, y, x = 2 * place, 8 * row, 12 * column
        window = volume[z : z + 2, y : y + 16, x : x + 12]
        np.testing.assert_allclose(found[place, row, column], loaded.embed(window[None])[0], atol=1e-5)
    sliding = mapped(
        deep_model, tmp_path / "five.zarr", out=tmp_path / "all.zarr", trusted=[DEEP], slices=[0, 1, 2, 3]
    )
    np.testing.assert_allclose(sliding[::2], found, atol=1e-5)
    with pytest.raises(ValueError, match=r"slices must lie within \[0, 4\), got 4"):
        mapped(deep_model, tmp_path / "five.zarr", out=tmp_path / "no.zarr", trusted=[DEEP], slices=[4])


def test_an_interrupted_map_of_subvolumes_goes_on_and_workers_give_the_same(
    deep_model, volume, tmp_path, monkeypatch
):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)
    whole = mapped(deep_model, volume, out=tmp_path / "whole.zarr", trusted=[DEEP])

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mapped(deep_model, volume, out=tmp_path / "parts.zarr", trusted=[DEEP], progress=stop)
    done: list[int] = []
    with ThreadPoolExecutor(2) as executor:
        parts = mapped(
            deep_model, volume, out=tmp_path / "parts.zarr", trusted=[DEEP], executor=executor,
            progress=lambda at, _: done.append(at),
        )  # fmt: skip
    assert done[0] == 3
    np.testing.assert_array_equal(parts, whole)


def test_a_file_a_zarr_and_several_workers_give_the_same_map(model, volume, tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)
    np.save(tmp_path / "volume.npy", VOLUME)
    first = mapped(model, volume, out=tmp_path / "first.zarr")
    second = mapped(model, tmp_path / "volume.npy", out=tmp_path / "second.zarr")
    with ThreadPoolExecutor(3) as executor:
        third = mapped(model, volume, out=tmp_path / "third.zarr", executor=executor)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_an_interrupted_map_goes_on_where_it_was(model, volume, tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.dense.ROW_WINDOWS", 4)

    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise Interrupted

    with pytest.raises(Interrupted):
        mapped(model, volume, out=tmp_path / "map.zarr", progress=stop)
    calls: list[tuple[int, int]] = []
    found = mapped(model, volume, out=tmp_path / "map.zarr", progress=lambda *call: calls.append(call))
    assert calls == [(done, 12) for done in range(6, 13)]
    np.testing.assert_array_equal(found, mapped(model, volume, out=tmp_path / "whole.zarr"))
    again: list[tuple[int, int]] = []
    mapped(model, volume, out=tmp_path / "map.zarr", progress=lambda *call: again.append(call))
    assert again == []


def test_some_slices_only(model, volume, tmp_path):
    whole = mapped(model, volume, out=tmp_path / "whole.zarr")
    some = mapped(model, volume, out=tmp_path / "some.zarr", slices=[2, 0])
    np.testing.assert_array_equal(some, whole[[2, 0]])


def test_another_map_is_not_overwritten(model, volume, tmp_path):
    mapped(model, volume, out=tmp_path / "map.zarr")
    with pytest.raises(FileExistsError, match="must be new, or the map of this model, volume and grid"):
        mapped(model, volume, out=tmp_path / "map.zarr", stride=(8, 8))
    with pytest.raises(FileExistsError):
        mapped(model, volume, out=tmp_path, replace=True)


def test_another_map_is_replaced_where_that_is_asked_for(model, volume, tmp_path):
    mapped(model, volume, out=tmp_path / "map.zarr")
    found = mapped(model, volume, out=tmp_path / "map.zarr", stride=(8, 8), replace=True)
    np.testing.assert_array_equal(found, mapped(model, volume, out=tmp_path / "new.zarr", stride=(8, 8)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": (41, 8)}, "the window must be 1 to 40 pixels along y, got 41"),
        ({"stride": (1, 0)}, "the stride must be at least 1 along x, got 0"),
        ({"slices": [3]}, r"slices must lie within \[0, 3\), got 3"),
        ({"trusted": []}, "code that would be imported and called"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(changes, message, model, volume, tmp_path):
    with pytest.raises(ValueError, match=message):
        mapped(model, volume, out=tmp_path / "map.zarr", **changes)
    assert not (tmp_path / "map.zarr").exists()


def test_a_grid_of_half_windows_has_the_corners():
    grid = Grid(size=(40, 50), window=(20, 25), stride=(20, 25))
    np.testing.assert_array_equal(grid.windows(VOLUME[0]), corner_crops(VOLUME[:1])[0])
    np.testing.assert_array_equal(grid.windows(VOLUME), corner_crops(VOLUME[None])[0])


def test_a_map_knows_its_grid(model, volume, tmp_path):
    found = embedding_map(
        model, volume, out=tmp_path / "map.zarr", window=(16, 12), stride=(8, 12), trusted=[TINY]
    )
    assert grid_of(found) == Grid(size=(40, 50), window=(16, 12), stride=(8, 12))


def test_a_part_of_a_volume_has_the_map_of_that_part(model, volume, tmp_path):
    part = Ranges(z="1:3", y="8:40", x="12:50")
    found = mapped(model, volume, out=tmp_path / "part.zarr", ranges=part)
    np.save(tmp_path / "part.npy", VOLUME[1:3, 8:40, 12:50])
    np.testing.assert_array_equal(found, mapped(model, tmp_path / "part.npy", out=tmp_path / "cut.zarr"))
    with pytest.raises(FileExistsError):
        mapped(model, volume, out=tmp_path / "part.zarr", ranges=Ranges(z="0:2", y="8:40", x="12:50"))


def test_a_map_that_is_there_is_returned_on_any_device(model, volume, tmp_path):
    first = mapped(model, volume, out=tmp_path / "map.zarr", device="auto")
    np.testing.assert_array_equal(mapped(model, volume, out=tmp_path / "map.zarr", device="cpu"), first)
