"""The registry of the kinds of storage."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import zarr
from mtneuro_data import executed_modules, open_volume
from mtneuro_data._shared import extras
from mtneuro_data.sources import CONVERTERS, ENDINGS, IMAGES, SCHEMES, locate


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("boss://a/b/c", "the kind of volume must be one of .* got 'boss'; did you mean 'bossdb'"),
        ("a.npy#key", "only a .npz file takes a #key"),
    ],
)
def test_a_malformed_uri_is_refused(uri: str, text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("?", r"\?")):
        open_volume(uri)


@pytest.mark.parametrize("ending", sorted(CONVERTERS))
def test_an_ending_that_is_not_read_names_what_converts_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"A{ending.upper()}"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"a {re.escape(ending)} is not read; ") as raised:
        open_volume(path)
    assert "trust" not in str(raised.value)


def test_any_other_file_is_told_what_opens_most_formats(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"x")
    with pytest.raises(
        ValueError, match=r"is not a readable image: .*; Fiji opens most formats, and saves TIFF"
    ):
        open_volume(tmp_path / "a.xyz")


@pytest.mark.parametrize(
    ("name", "extra", "package"),
    [("a.h5", "hdf5", "h5py"), ("a.mrc", "mrc", "mrcfile"), ("a.nrrd", "nrrd", "nrrd")],
)
def test_a_format_of_an_extra_that_is_absent_names_it(tmp_path, monkeypatch, name, extra, package) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(extras, "find_spec", lambda asked: None)
    with pytest.raises(
        ValueError, match=rf"{name} needs the package '{package}': pip install 'mtneuro-data\[{extra}\]'"
    ):
        open_volume(tmp_path / name)


def test_an_absent_path_is_named(tmp_path: Path) -> None:
    for name in ("absent.npy", "absent*.png"):
        with pytest.raises(FileNotFoundError, match="absent"):
            open_volume(tmp_path / name)


@pytest.mark.parametrize("function", sorted({*SCHEMES.values(), *ENDINGS.values(), IMAGES}))
def test_every_registered_function_is_there(function: str) -> None:
    module, _, name = function.partition(":")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize(
    ("uri", "module"),
    [
        ("bossdb://lab/scan/em", "boss"),
        ("https://api.bossdb.io/v1/mgmt/resources/lab/scan/em", "boss"),
        ("https://host/volume.zarr", "address"),
        ("s3://bucket/volume", "address"),
        ("precomputed://gs://bucket/volume", "precomputed"),
        ("phantom://image?seed=7", "phantom"),
        ("volume.zarr#1", "zarr_store"),
        ("file:///data/labels.nii.gz", "nifti"),
        ("volume.npz#label", "array_file"),
        ("STACK.TIF", "tiff"),
        ("brain.hdr", "nifti"),
        ("tomogram.rec", "mrc"),
        ("volume.H5#raw", "hdf5"),
        ("atlas.nhdr", "nrrd"),
        ("volume.zarr.zip#1", "zarr_store"),
        ("slices/z*.tif", "image_stack"),
        ("slice.png", "image_stack"),
    ],
)
def test_the_modules_of_a_uri_are_those_of_its_kind_alone(uri: str, module: str) -> None:
    apart = ("mtneuro_data.sources.reader",) if module in ("address", "precomputed") else ()
    assert executed_modules(uri) == (f"mtneuro_data.sources.{module}", *apart)


def test_a_folder_is_known_by_what_it_holds(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "store", data=np.zeros((1, 2, 2), np.uint8))
    (tmp_path / "images.npy").mkdir()
    assert executed_modules(str(tmp_path / "store")) == ("mtneuro_data.sources.zarr_store",)
    assert executed_modules(str(tmp_path / "images.npy")) == ("mtneuro_data.sources.image_stack",)


def test_reading_a_uri_executes_no_other_source(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 2, 2), np.uint8))
    code = (
        "import sys, mtneuro_data.volume; from mtneuro_data import executed_modules\n"
        "before = set(sys.modules); mtneuro_data.open_volume(sys.argv[1])[0:1, 0:1, 0:1]\n"
        "print([name for name in set(sys.modules) - before if '.sources.' in name], "
        "list(executed_modules(sys.argv[1])))"
    )
    done = [sys.executable, "-c", code, str(tmp_path / "a.npy")]
    said = subprocess.run(done, capture_output=True, text=True, check=True).stdout
    assert said == "['mtneuro_data.sources.array_file'] ['mtneuro_data.sources.array_file']\n"


def test_a_file_has_no_place_in_a_cache() -> None:
    assert locate("volume.npy").cache_key is None


def test_a_file_uri_is_the_path_that_it_encodes(tmp_path: Path) -> None:
    path = tmp_path / "one volume.npz"
    np.savez(path, images=np.zeros((1, 2, 2), np.uint8), other=np.ones((1, 2, 3), np.uint8))
    assert open_volume(path.as_uri()).shape == (1, 2, 2)
    assert open_volume(path.as_uri() + "#other").shape == (1, 2, 3)
