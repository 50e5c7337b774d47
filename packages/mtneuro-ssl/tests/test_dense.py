from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_ssl import TrainSettings, corner_crops, embedding_map, load_model, principal_colours, train
from mtneuro_ssl.dense import Grid, colour_picture, tissue_windows

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
        mapped(model, volume, out=tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": (41, 8)}, "the window must be 1 to 40 pixels along y, got 41"),
        ({"stride": (1, 0)}, "the stride must be at least 1 along x, got 0"),
        ({"slices": [3]}, r"slices must lie within \[0, 3\), got 3"),
        ({"trusted": []}, "which would be imported and called"),
    ],
)
def test_a_grid_that_does_not_fit_is_refused(changes, message, model, volume, tmp_path):
    with pytest.raises(ValueError, match=message):
        mapped(model, volume, out=tmp_path / "map.zarr", **changes)
    assert not (tmp_path / "map.zarr").exists()


def test_a_grid_of_half_windows_has_the_corners():
    grid = Grid(size=(40, 50), window=(20, 25), stride=(20, 25))
    np.testing.assert_array_equal(grid.windows(VOLUME[0]), corner_crops(VOLUME[:1])[0])


def test_colours_are_the_first_three_components():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 20, 3)) * [9, 4, 1]
    directions = np.linalg.qr(rng.normal(size=(8, 3)))[0]
    embeddings = scores @ directions.T
    embeddings[0, 0] = np.nan
    colours = principal_colours(embeddings)
    assert colours.shape == (30, 20, 3)
    assert colours[0, 0].tolist() == [0, 0, 0]
    for component in range(3):
        shown = colours[1:, :, component].ravel().astype(float)
        assert abs(np.corrcoef(shown, scores[1:, :, component].ravel())[0, 1]) > 0.95
    assert principal_colours(embeddings[..., :2])[..., 2].max() == 0
    inside = np.ones((30, 20), bool)
    inside[:, :10] = False
    half = principal_colours(embeddings, inside=inside)
    assert half[:, :10].max() == 0
    np.testing.assert_array_equal(half[:, 10:], principal_colours(embeddings[:, 10:]))


def test_a_pixel_has_the_colour_of_its_nearest_window_over_its_own_grey():
    slice_ = np.random.default_rng(0).integers(60, 200, (12, 20), dtype=np.uint8)
    slice_[:, :8] = 0
    grid = Grid(size=(12, 20), window=(4, 4), stride=(4, 4))
    embeddings = np.random.default_rng(1).normal(size=(*grid.shape, 6))
    picture = colour_picture(embeddings, slice_, grid)
    assert picture.shape == (12, 20, 3)
    assert (picture[:, :8] == 0).all()  # no tissue
    colours = principal_colours(embeddings, inside=tissue_windows(slice_, grid))
    for y, x in ((0, 8), (5, 13), (11, 19)):
        wanted = 0.65 * colours[y // 4, x // 4] + 0.35 * slice_[y, x]
        np.testing.assert_allclose(picture[y, x], wanted, atol=0.5)


def test_a_picture_of_a_large_slice_is_smaller(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.dense._PICTURE_SIDE", 10)
    grid = Grid(size=(12, 20), window=(4, 4), stride=(4, 4))
    embeddings = np.random.default_rng(1).normal(size=(*grid.shape, 6))
    assert colour_picture(embeddings, np.full((12, 20), 9, np.uint8), grid).shape == (6, 10, 3)


def test_what_is_mostly_black_is_no_tissue():
    image = np.full((8, 16), 200, np.uint8)
    image[:, :7] = 0
    image[:, 3:7] = 20  # nearly black
    grid = Grid(size=(8, 16), window=(4, 4), stride=(4, 4))
    assert tissue_windows(image, grid).tolist() == [[False, False, True, True]] * 2
