import io
import os
import re
import shutil
import signal
import socket
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from mtneuro_data import Volume, open_volume
from mtneuro_data._shared import extras
from mtneuro_data.viewing import VolumeView, _Voxels
from PIL import Image

needed = pytest.importorskip("neuroglancer", reason="needs the extra view")


@pytest.fixture
def files(tmp_path: Path, volume: np.ndarray, labels: np.ndarray) -> tuple[Path, Path]:
    np.save(tmp_path / "em.npy", volume)
    np.save(tmp_path / "cells.npy", labels)
    return tmp_path / "em.npy", tmp_path / "cells.npy"


@pytest.fixture
def shown(files: tuple[Path, Path]) -> Iterator[VolumeView]:
    with VolumeView(*map(open_volume, files), at=(10, 20, 30)) as view:
        yield view


def layers(view: VolumeView) -> dict[str, dict[str, Any]]:
    """Return what the page is told of each layer."""
    return {layer["name"]: layer for layer in view.viewer.state.to_json()["layers"]}


def asked(view: VolumeView, path: str) -> requests.Response:
    return requests.get(f"http://127.0.0.1:{view.port}{path}", timeout=30)


def key(view: VolumeView, layer: str) -> str:
    (source,) = layers(view)[layer]["source"]
    return source["url"].removeprefix("python://volume/")


def about(view: VolumeView, layer: str) -> dict[str, Any]:
    return asked(view, f"/neuroglancer/info/{key(view, layer)}").json()


def chunk(view: VolumeView, layer: str, lower: Any, upper: Any, scale: str = "1,1,1") -> np.ndarray:
    """Return the voxels of a box as the page asks for them."""
    lo, hi = (",".join(map(str, corner)) for corner in (lower, upper))
    answer = asked(view, f"/neuroglancer/npz/{key(view, layer)}/{scale}/{lo}/{hi}")
    assert answer.status_code == 200
    return np.load(io.BytesIO(zlib.decompress(answer.content)))


def test_voxels_are_those_of_image_and_labels(
    shown: VolumeView, volume: np.ndarray, labels: np.ndarray
) -> None:
    box = (slice(10, 11), slice(0, 150), slice(64, 200))
    lower, upper = (10, 0, 64), (11, 150, 200)
    np.testing.assert_array_equal(chunk(shown, "image", lower, upper), volume[box])
    found = chunk(shown, "labels", lower, upper)
    np.testing.assert_array_equal(found, labels[box])
    assert found.dtype == np.uint64
    assert {name: layer["type"] for name, layer in layers(shown).items()} == {
        "image": "image",
        "labels": "segmentation",
    }


def test_a_coarser_look_is_reduced(shown: VolumeView, volume: np.ndarray, labels: np.ndarray) -> None:
    found = chunk(shown, "image", (10, 0, 0), (11, 75, 100), "1,2,2")
    means = volume[10].reshape(75, 2, 100, 2).mean((1, 3))
    np.testing.assert_allclose(found[0], means, atol=1)
    np.testing.assert_array_equal(
        chunk(shown, "labels", (10, 0, 0), (11, 75, 100), "1,2,2"), labels[10:11, ::2, ::2]
    )


def test_nothing_is_read_but_what_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[Any] = []
    read = Volume.read
    monkeypatch.setattr(Volume, "read", lambda self, *box: boxes.append(box) or read(self, *box))
    # 5.9 GB, twice.
    with VolumeView(open_volume("phantom://image"), open_volume("phantom://pixel_labels")) as view:
        assert boxes == []
        expected = open_volume("phantom://image").read((300, 900, 4600), (301, 932, 4632))
        boxes.clear()
        found = chunk(view, "image", (300, 900, 4600), (301, 932, 4632))
        np.testing.assert_array_equal(found, expected)
        assert boxes == [((300, 900, 4600), (301, 932, 4632))]
        # What has to be computed, or comes from afar, is shown at full resolution alone.
        assert about(view, "image")["maxDownsampling"] == 1


def test_lengths_and_places_are_the_volumes_own(tmp_path: Path, volume: np.ndarray) -> None:
    from nibabel.nifti1 import Nifti1Image

    image = Nifti1Image(volume.transpose(), np.diag([0.5, 0.25, 2.0, 1.0]))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "em.nii")
    opened = open_volume(tmp_path / "em.nii")
    with VolumeView(opened) as view:
        told = about(view, "image")
        assert told["shape"] == [40, 150, 200]
        assert list(told["coordinateSpace"]) == ["z", "y", "x"]
        for (scale, unit), um in zip(told["coordinateSpace"].values(), (2.0, 0.25, 0.5), strict=True):
            assert (scale, unit) == (pytest.approx(um * 1e-6), "m")
        state = view.viewer.state.to_json()
        assert state["position"] == [20.5, 75.5, 100.5]
        assert state["displayDimensions"] == ["x", "y", "z"]


def test_labels_without_a_voxel_size_have_the_images(
    tmp_path: Path, labels: np.ndarray, rng: np.random.Generator
) -> None:
    np.save(tmp_path / "cells.npy", rng.integers(0, 4, (8, 32, 32), dtype=np.uint8))
    image = open_volume("phantom://image?shape=8,32,32")
    with VolumeView(image, open_volume(tmp_path / "cells.npy")) as view:
        assert about(view, "labels")["coordinateSpace"] == about(view, "image")["coordinateSpace"]


def test_a_volume_of_labels_is_shown_as_labels() -> None:
    with VolumeView(open_volume("phantom://pixel_labels?shape=8,32,32")) as view:
        assert {name: layer["type"] for name, layer in layers(view).items()} == {"labels": "segmentation"}


def test_only_who_has_the_link_gets_an_answer(shown: VolumeView) -> None:
    assert re.fullmatch(rf"http://127\.0\.0\.1:{shown.port}/v/[0-9a-f]{{40}}/", shown.link)
    assert requests.get(shown.link, timeout=30).status_code == 200
    own = key(shown, "image")
    for path in (
        "/", "/v/0000/", "/neuroglancer/info/0000.0000", f"/neuroglancer/info/{own[:-1]}",
        f"/neuroglancer/npz/{own[1:]}/1,1,1/0,0,0/1,1,1",
    ):  # fmt: skip
        assert asked(shown, path).status_code == 404, path
    # Not even the page gets at credentials of this machine's user.
    token = shown.link.split("/")[-2]
    answer = requests.post(f"http://127.0.0.1:{shown.port}/credentials/{token}", "{}", timeout=30)
    assert answer.status_code == 403
    # Nor is a large body read before the token is looked at.
    try:
        answer = requests.post(f"http://127.0.0.1:{shown.port}/state/0", b"0" * (20 << 20), timeout=30)
    except requests.ConnectionError:
        return
    assert answer.status_code in (400, 413)


def test_the_viewer_comes_from_the_package_and_asks_nobody_else(shown: VolumeView) -> None:
    page = requests.get(shown.link, timeout=30).text
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(parts) > 1
    for part in parts:
        assert "//" not in part
        answer = requests.get(shown.link + part, timeout=30)
        assert (answer.status_code, len(answer.content) > 100) == (200, True)


def test_a_closed_view_answers_no_more(files: tuple[Path, Path]) -> None:
    with VolumeView(open_volume(files[0])) as view:
        pass
    with pytest.raises(requests.ConnectionError):
        requests.get(view.link, timeout=30)
    with VolumeView(open_volume(files[0])) as again:
        assert requests.get(again.link, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("dtype", "sort", "shown_as"),
    [
        (np.uint16, "image", np.uint16),
        (np.float32, "image", np.float32),
        (np.float64, "image", np.float32),
        (np.int64, "image", np.float32),
        (np.uint64, "image", np.float32),
        (np.int16, "image", np.int16),
        (np.int64, "segmentation", np.uint64),
        (np.uint32, "segmentation", np.uint32),
        (np.bool_, "segmentation", np.uint8),
    ],
)
def test_voxels_have_a_type_that_the_viewer_knows(
    tmp_path: Path, dtype: Any, sort: str, shown_as: Any
) -> None:
    np.save(tmp_path / "a.npy", np.arange(24).reshape(2, 3, 4).astype(dtype))
    volume = open_volume(tmp_path / "a.npy")
    voxels = _Voxels(volume, sort, None)
    found = voxels[0:2, np.int64(1) : np.int64(3), 0:4]
    assert (found.dtype, voxels.dtype) == (shown_as, shown_as)
    np.testing.assert_array_equal(found, volume[0:2, 1:3, 0:4].astype(shown_as))


def test_an_image_is_shown_in_its_own_intensities(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8) * 100)
    with VolumeView(open_volume(tmp_path / "a.npy")) as view:
        low, high = layers(view)["image"]["shaderControls"]["normalized"]["range"]
    assert (low, high) == pytest.approx((6400, 12700), rel=0.01)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    import zarr

    array = zarr.create_array(tmp_path / "em.zarr", shape=(4, 32, 32), chunks=(4, 32, 32), dtype="uint8")
    array[:] = 1
    (damaged,) = (file for file in (tmp_path / "em.zarr/c").rglob("*") if file.is_file())
    told: list[str] = []
    with VolumeView(open_volume(tmp_path / "em.zarr"), failed=told.append) as view:
        damaged.write_bytes(b"nothing of the kind")
        answer = asked(view, f"/neuroglancer/npz/{key(view, 'image')}/1,1,1/0,0,0/1,32,32")
    assert answer.status_code == 400
    (line,) = told
    assert "\n" not in line


def test_surfaces_are_of_small_volumes_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ball = np.zeros((16, 16, 16), np.uint8)
    ball[4:12, 4:12, 4:12] = 3
    np.save(tmp_path / "ball.npy", ball)
    with VolumeView(
        open_volume("phantom://image?shape=16,16,16"), open_volume(tmp_path / "ball.npy")
    ) as view:
        path = f"/neuroglancer/mesh/{key(view, 'labels')}/3"
        assert asked(view, path).status_code == 200
        monkeypatch.setattr("mtneuro_data.viewing._MESH_BYTES", 100)
        assert asked(view, path).status_code == 405


def test_what_does_not_go_together_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    np.save(tmp_path / "grey.npy", np.zeros((40, 150, 200), np.float32))
    np.save(tmp_path / "other.npy", np.zeros((4, 15, 20), np.uint8))
    image = open_volume(files[0])
    with pytest.raises(ValueError, match="labels must be whole numbers, got float32"):
        VolumeView(image, open_volume(tmp_path / "grey.npy"))
    with pytest.raises(ValueError, match=r"must have the image's shape .* got \(4, 15, 20\)"):
        VolumeView(image, open_volume(tmp_path / "other.npy"))
    with pytest.raises(ValueError, match=r"must lie in .*em\.npy, \(40, 150, 200\), got \(40, 0, 0\)"):
        VolumeView(image, at=(40, 0, 0))
    with pytest.raises(ValueError, match="port must lie within"):
        VolumeView(image, port=70000)
    # Nothing was left running.
    with VolumeView(image), pytest.raises(ValueError, match="one view at a time"):
        VolumeView(image)


def test_a_port_that_is_taken_is_told(files: tuple[Path, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}: .*give another port"):
            VolumeView(open_volume(files[0]), port=port)
    with VolumeView(open_volume(files[0]), port=port) as view:
        assert view.port == port


def test_the_extra_that_is_lacking_is_named(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=re.escape("pip install 'mtneuro-data[view]'")):
        VolumeView(open_volume(files[0]))


@pytest.mark.browser
@pytest.mark.timeout(180)
def test_a_browser_shows_the_voxels(shown: VolumeView, volume: np.ndarray, tmp_path: Path) -> None:
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium here")
    flags = (
        "--headless", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'profile'}",
    )  # fmt: skip
    with shown.viewer.txn() as state:
        # A pixel's middle is a voxel's where an even number of pixels stands around a corner of voxels.
        state.position = [10.5, 80, 100]
        state.show_axis_lines = state.show_scale_bar = False
        state.layers["labels"].visible = False
    nowhere = subprocess.DEVNULL
    command = [chromium, *flags, shown.link]
    browser = subprocess.Popen(command, start_new_session=True, stdout=nowhere, stderr=nowhere)
    try:
        # The page answers once every chunk in sight is there.
        taken = shown.viewer.screenshot(size=[128, 96])
    finally:
        os.killpg(browser.pid, signal.SIGTERM)
        browser.wait()
    with Image.open(io.BytesIO(taken.screenshot.image)) as picture:
        pixels = np.asarray(picture.convert("L")).astype(int)
    seen = volume[10, 80 - 48 : 80 + 48, 100 - 64 : 100 + 64].astype(int)
    assert pixels.shape == seen.shape
    assert np.abs(pixels - seen).max() <= 1
