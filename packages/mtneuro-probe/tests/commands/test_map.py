import numpy as np
import pytest
import zarr


@pytest.fixture
def places() -> np.ndarray:
    """A map of embeddings, one of which is missing."""
    found = np.random.default_rng(0).uniform(0.1, 0.2, size=(3, 8, 9, 3)).astype(np.float32)
    found[0, 0, 0] = np.nan
    return found


@pytest.fixture
def words(tmp_path, export, embed, run, places) -> tuple[object, ...]:
    """The words that map vessel density, which the first dimension holds."""
    embed(tmp_path / "e.npz")
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    np.save(tmp_path / "places.npy", places)
    files = (tmp_path / "e.npz", tmp_path / "f.csv", tmp_path / "places.npy")
    return ("map", *files, "--feature", "vessel_density", "--gap", 2)


def read(path) -> np.ndarray:
    return np.load(path) if path.suffix == ".npy" else np.asarray(zarr.open_array(path, mode="r")[...])


@pytest.mark.parametrize("name", ["m.zarr", "m.npy"])
def test_a_map_of_a_feature_is_written_and_drawn(capsys, tmp_path, run, words, places, name):
    options = ("-o", tmp_path / name, "--figure", tmp_path / "m.png", "--z", "1:2", "--step-um", 10, 10)
    assert run(*words, *options) == 0
    told = capsys.readouterr().out
    assert "of the map lies outside the range of the labelled samples" in told
    assert f"vessel_density of 3 x 8 x 9 places written to {tmp_path / name}" in told
    written = read(tmp_path / name)
    np.testing.assert_allclose(written[1:], places[1:, ..., 0], atol=0.002)
    assert np.isnan(written[0, 0, 0])
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_a_map_keeps_the_step_of_its_embeddings(tmp_path, run, words, places):
    array = zarr.create_array(
        str(tmp_path / "places.zarr"), data=places, dimension_names=["z", "y", "x", "feature"]
    )
    array.attrs["voxel_size_um"] = [1.17, 10.0, 20.0]
    changed = [tmp_path / "places.zarr" if word == tmp_path / "places.npy" else word for word in words]
    assert run(*changed, "-o", tmp_path / "m.zarr") == 0
    written = zarr.open_array(tmp_path / "m.zarr", mode="r")
    assert written.attrs["voxel_size_um"] == [1.17, 10.0, 20.0]


@pytest.mark.parametrize("shape", [(24, 24), (3, 24, 24)])
def test_the_image_beside_a_map_is_a_slice_or_the_volume_that_it_lies_in(
    monkeypatch, tmp_path, run, words, shape
):
    shown = []
    monkeypatch.setattr("mtneuro_probe.map_figure", lambda *_, image, **__: shown.append(image) or Saved())
    image = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    np.save(tmp_path / "image.npy", image)
    options = ("-o", tmp_path / "m.npy", "--figure", tmp_path / "m.png", "--z", "1:2")
    assert run(*words, *options, "--image", tmp_path / "image.npy") == 0
    np.testing.assert_array_equal(shown[0], image if len(shape) == 2 else image[1])


def test_a_slice_is_also_named_by_its_number_as_it_was_before(capsys, tmp_path, run, words):
    options = ("-o", tmp_path / "m.npy", "--figure", tmp_path / "m.png")
    assert run(*words, *options, "--z", 2) == 0
    assert "--z 2 is now --z 2:3\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("z", "told"),
    [("0:2", "must be a range of one slice"), ("3:4", "end <= 3, got '3:4'"), ("3", "got '3:4'")],
)
def test_a_figure_of_no_slice_or_of_several_is_refused_before_the_map_is_written(
    capsys, tmp_path, run, words, z, told
):
    output = tmp_path / "m.zarr"
    assert run(*words, "-o", output, "--figure", tmp_path / "m.png", "--z", z) == 2
    assert told in capsys.readouterr().err
    assert not output.exists()


class Saved:
    """A figure that only writes its file."""

    def savefig(self, path, **_: object) -> None:
        path.touch()
