import fnmatch
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Volume, open_volume, save_volume
from mtneuro_data.napari_reader import Part, get_reader, layers
from mtneuro_data.sources import ENDINGS, SCHEMES

MANIFEST = files("mtneuro_data").joinpath("napari.yaml")


@pytest.fixture
def boxes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The boxes that are read."""
    found: list[Any] = []
    read = Volume.read
    monkeypatch.setattr(Volume, "read", lambda self, *box: found.append(box) or read(self, *box))
    return found


def test_a_volume_is_a_layer_with_its_lengths_and_nothing_is_read(boxes: list[Any]) -> None:
    found = [layers(f"phantom://{name}?shape=720,1420,5805")[0] for name in ("image", "pixel_labels")]
    assert boxes == []
    (image, about, kind), (labels, _, other) = found
    assert (kind, other) == ("image", "labels")
    assert about == {
        "name": "image",
        "metadata": {"uri": "phantom://image?shape=720,1420,5805"},
        "scale": (1.17, 1.17, 1.17),
        "units": ("um", "um", "um"),
        "translate": (0.0, 0.0, 0.0),
        "contrast_limits": (0.0, 255.0),
    }
    assert image.shape == labels.shape == (720, 1420, 5805)
    assert (image.dtype, image.ndim, len(image)) == (np.uint8, 3, 720)
    assert (image.size, image.nbytes) == (5_935_032_000, 5_935_032_000)


def test_only_what_is_in_sight_is_read(boxes: list[Any]) -> None:
    ((image, _, _),) = layers("phantom://image")
    # As napari does: what is in sight first, then one slice of it.
    seen = image[:, 900:932, 4600:4640]
    assert boxes == []
    found = np.asarray(seen[300])
    assert boxes == [((300, 900, 4600), (301, 932, 4640))]
    expected = open_volume("phantom://image").read((300, 900, 4600), (301, 932, 4640))[0]
    np.testing.assert_array_equal(found, expected)


KEYS: list[Any] = [
    np.s_[...], np.s_[3], np.s_[-1], np.s_[:, 5], np.s_[..., 7], np.s_[2:9], np.s_[::2, 3::5], np.s_[::-1],
    np.s_[9:1:-3, :, -4:], np.s_[1, ..., 2], np.s_[1, 2, 3], np.s_[5:5], np.s_[np.int64(4), 0:8], np.s_[...,],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_part_is_what_numpy_gives(tmp_path: Path, volume: np.ndarray, key: Any) -> None:
    np.save(tmp_path / "em.npy", volume)
    part = Part(open_volume(tmp_path / "em.npy"))
    found, expected = part[key], volume[key]
    assert found.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(np.asarray(part[2:30, ::3][key]), volume[2:30, ::3][key])


def test_a_part_becomes_an_array_of_any_type_and_refuses_what_numpy_refuses(
    tmp_path: Path, volume: np.ndarray
) -> None:
    np.save(tmp_path / "em.npy", volume)
    part = Part(open_volume(tmp_path / "em.npy"))
    assert np.asarray(part[0], np.float32).dtype == np.float32
    assert np.asarray(part[4:4], np.float32).dtype == np.float32
    for key in (40, (0, 0, 0, 0), (0, 150)):
        with pytest.raises(IndexError):
            part[key]
    with pytest.raises(TypeError):
        part[1.5]


def test_the_levels_of_an_ome_zarr_are_those_of_the_layer(tmp_path: Path, rng: np.random.Generator) -> None:
    voxels = rng.integers(0, 1000, (8, 600, 700), dtype=np.uint16)
    save_volume(tmp_path / "em.zarr", voxels, voxel_size_um=(2, 0.5, 0.5))
    ((data, about, kind),) = layers(str(tmp_path / "em.zarr"))
    assert kind == "image"
    assert len(data) > 1
    sizes = [level.size for level in data]
    assert sizes == sorted(sizes, reverse=True)
    np.testing.assert_array_equal(np.asarray(data[0][3]), voxels[3])
    np.testing.assert_array_equal(np.asarray(data[1]), open_volume(f"{tmp_path}/em.zarr#1")[...])
    assert about["scale"] == (2, 0.5, 0.5)
    assert about["name"] == "em.zarr"
    low, high = about["contrast_limits"]
    assert 0 <= low < 20 < 980 < high < 1000
    ((coarse, at, _),) = layers(f"{tmp_path}/em.zarr#1")
    assert (coarse.shape, at["scale"]) == (data[1].shape, open_volume(f"{tmp_path}/em.zarr#1").voxel_size_um)


def test_several_paths_are_several_layers_and_no_length_is_made_up(
    tmp_path: Path, volume: np.ndarray, labels: np.ndarray
) -> None:
    np.save(tmp_path / "em.npy", volume)
    np.savez(tmp_path / "two.npz", images=volume, other=labels)
    paths = [str(tmp_path / "em.npy"), f"{tmp_path}/two.npz#other"]
    read = get_reader(paths)
    assert read is not None
    (one, about, _), (two, other, _) = read(paths)
    assert not about.keys() & {"scale", "units", "translate"}
    np.testing.assert_array_equal(np.asarray(one), volume)
    np.testing.assert_array_equal(np.asarray(two), labels)
    assert other["name"] == "two.npz#other"


@pytest.mark.parametrize(
    ("path", "is_read"),
    [
        ("phantom://image", True), ("bossdb://lab/scan/em", True), ("s3://bucket/em.zarr", True),
        ("em.h5", True), ("stack.tif", True), ("scan.czi", False), ("ftp://host/em", False),
        ("file:///em.npy", True), (["em.npy", "phantom://image"], True), (["em.npy", "ftp://host/em"], False),
    ],
)  # fmt: skip
def test_what_is_read_is_told_without_opening_it(
    path: Any, is_read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scan.czi").write_bytes(b"of a microscope")
    assert (get_reader(path) is not None) == is_read
    # npe2 names its argument.
    assert (get_reader(path=path) is not None) == is_read


def patterns() -> list[str]:
    yaml = pytest.importorskip("yaml")
    (reader,) = yaml.safe_load(MANIFEST.read_text("utf-8"))["contributions"]["readers"]
    assert reader["accepts_directories"]
    return reader["filename_patterns"]


def test_the_manifest_names_every_kind_of_volume() -> None:
    known = patterns()
    wanted = [f"lab/em{ending}" for ending in ENDINGS]
    wanted += [f"{scheme}://host/em.zarr" for scheme in SCHEMES]
    wanted += ["phantom://image?seed=7&shape=8,64,64", "em.zarr#1", "https://host/v1/mgmt/resources/a/b/c"]
    for uri in wanted:
        assert any(fnmatch.fnmatch(uri, pattern) for pattern in known), uri
    # Not everybody's: napari would ask which reader to take.
    for other in ("notes.txt", "photo.png", "https://host/page.html", "points.csv"):
        assert not any(fnmatch.fnmatch(other, pattern) for pattern in known), other


def test_the_entry_point_names_the_manifest() -> None:
    (point,) = (each for each in entry_points(group="napari.manifest") if each.name == "mtneuro-data")
    module, _, name = point.value.partition(":")
    assert files(module).joinpath(name) == MANIFEST


# A library that npe2 uses has deprecated what npe2 does.
_QUIET = [sys.executable, "-W", "ignore::DeprecationWarning"]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("npe2") is None, reason="needs npe2")
def test_the_manifest_is_valid_and_reads_a_volume(tmp_path: Path) -> None:
    code = (
        "import sys; import numpy as np; from npe2 import PluginManager, PluginManifest, io_utils\n"
        "PluginManifest.from_file(sys.argv[1]).validate_imports()\n"
        "found = PluginManager.instance(); found.discover(); assert 'mtneuro-data' in found\n"
        "uri = 'phantom://pixel_labels?shape=8,64,64'\n"
        "read, reader = io_utils.read_get_reader([uri], stack=False, plugin_name='mtneuro-data')\n"
        "(data, about, kind), = read\n"
        "print(reader.plugin_name, kind, np.asarray(data[3]).shape, about['units'])\n"
    )
    done = subprocess.run([*_QUIET, "-c", code, str(MANIFEST)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "mtneuro-data labels (64, 64) ('um', 'um', 'um')\n"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("napari") is None, reason="needs napari")
@pytest.mark.timeout(240)
def test_napari_shows_the_voxels(tmp_path: Path, volume: np.ndarray) -> None:
    save_volume(tmp_path / "em.zarr", volume, voxel_size_um=(2, 0.5, 0.5))
    shown = (
        "import sys; import numpy as np; from napari.components import ViewerModel\n"
        "from npe2 import PluginManager; PluginManager.instance().discover()\n"
        "viewer = ViewerModel()\n"
        "uris = [sys.argv[1], 'phantom://pixel_labels?shape=40,150,200']\n"
        "(image,), (labels,) = (viewer.open(uri, plugin='mtneuro-data') for uri in uris)\n"
        "viewer.dims.set_point(0, 20)\n"
        "print(type(image).__name__, type(labels).__name__, tuple(image.scale), str(image.units[0]))\n"
        "np.save(sys.argv[2], image._slice.image.raw); print(image.data_level if image.multiscale else 0)\n"
    )
    done = subprocess.run(
        [*_QUIET, "-c", shown, str(tmp_path / "em.zarr"), str(tmp_path / "seen.npy")],
        capture_output=True,
        text=True,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.returncode == 0, done.stderr
    first, level = done.stdout.splitlines()[-2:]
    assert first.startswith("Image Labels (")
    assert first.endswith("micrometer")
    expected = open_volume(f"{tmp_path}/em.zarr#{level}")
    np.testing.assert_array_equal(np.load(tmp_path / "seen.npy"), expected[10 * expected.shape[0] // 40])
