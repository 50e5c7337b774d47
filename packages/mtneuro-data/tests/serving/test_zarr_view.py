import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from mtneuro_data import open_volume
from mtneuro_data.serving.zarr_view import neuroglancer_link, zarr_file


def test_the_zarr_view_opens_as_ome_zarr(boss: Any, tmp_path: Path, volume: np.ndarray) -> None:
    # Every file that the view has is fetched as a browser would, and opened as a local store.
    catalogue = boss.service.catalogue
    names = [("zarr.json",), ("0", "zarr.json"), ("1", "zarr.json")]
    names += [("0", "c", str(z), str(y), str(x)) for z in range(3) for y in range(2) for x in range(2)]
    for name in names:
        with urllib.request.urlopen(
            f"http://{boss.server.host}/zarr/lab/scan/image/{'/'.join(name)}"
        ) as file:
            assert file.headers["Access-Control-Allow-Origin"] is None
            target = tmp_path.joinpath("view.zarr", *name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())
    opened = open_volume(tmp_path / "view.zarr")
    assert opened.voxel_size_um == (1.0, 1.0, 1.0)
    np.testing.assert_array_equal(opened[:, :, :], volume)
    assert zarr_file(catalogue, ("lab", "scan", "image", "0", "c", "3", "0", "0")) is None


def test_the_link_names_every_channel(boss: Any) -> None:
    link = urllib.parse.unquote(neuroglancer_link(boss.service.catalogue, "http://127.0.0.1:1"))
    assert "zarr://http://127.0.0.1:1/zarr/lab/scan/labels" in link
    assert '"type":"segmentation"' in link


def test_an_annotation_is_one_in_the_zarr_view_too(boss: Any, tmp_path: Path) -> None:
    for channel, kind in (("image", None), ("labels", "annotation")):
        for name in (("zarr.json",), ("0", "zarr.json"), ("1", "zarr.json")):
            content = zarr_file(boss.service.catalogue, ("lab", "scan", channel, *name))
            assert content is not None
            target = tmp_path.joinpath(f"{channel}.zarr", *name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        assert open_volume(tmp_path / f"{channel}.zarr").kind == kind
