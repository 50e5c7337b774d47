import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import executed_modules, open_volume

CLOSE = pytest.approx((0.04, 0.004, 0.004))
EDGES = [4.0, 4.0, 40.0]


def described(folder: Path, written: Path, **about: Any) -> Path:
    """Write the description of an array without chunks."""
    plain = json.loads((written / "bare.n5/attributes.json").read_text())
    folder.mkdir(parents=True)
    (folder / "attributes.json").write_text(json.dumps(plain | about))
    return folder


def test_axes_x_y_z_are_given_as_z_y_x(written: Path, truth: dict[str, np.ndarray]) -> None:
    for name in ("a.n5", "bare.n5", "many.n5", "many.n5/s0"):
        np.testing.assert_array_equal(
            open_volume(written / name)[3:30, 8:9, 9:90], truth["array"][3:30, 8:9, 9:90]
        )


@pytest.mark.parametrize(
    ("about", "size"),
    [
        ({"resolution": EDGES, "units": ["nm", "nm", "nm"]}, CLOSE),
        ({"resolution": EDGES, "units": ["nm", "nm", "pixel"]}, None),
        ({"resolution": EDGES}, None),
        ({"pixelResolution": {"dimensions": EDGES, "unit": "nm"}}, CLOSE),
        ({"pixelResolution": {"dimensions": [0.004, 0.004, 0.04], "unit": "µm"}}, CLOSE),
        ({"pixelResolution": {"dimensions": EDGES, "unit": "pixel"}}, None),
        ({"transform": {"axes": ["z", "y", "x"], "scale": [40, 4, 4], "units": ["nm"] * 3}}, CLOSE),
        ({"resolution": [0, 4, 40], "units": ["nm"] * 3}, None),
    ],
)
def test_a_voxel_size_is_read_where_it_is_stated_with_its_unit(
    written: Path, tmp_path: Path, about: dict[str, Any], size: Any
) -> None:
    assert open_volume(described(tmp_path / "a.n5", written, **about)).voxel_size_um == size


def test_a_folder_is_an_n5_by_what_it_holds(written: Path, tmp_path: Path) -> None:
    folder = described(tmp_path / "anything", written)
    for uri in (str(folder), "absent.n5"):
        assert executed_modules(uri) == ("mtneuro_data.sources.n5", "mtneuro_data.sources.reader")


def test_what_is_no_volume_is_refused(written: Path, tmp_path: Path) -> None:
    flat = described(tmp_path / "four.n5", written, dimensions=[4, 5, 6, 2], blockSize=[4, 4, 4, 4])
    with pytest.raises(ValueError, match="a volume has the axes x, y, z, got the dimensions"):
        open_volume(flat)
    (tmp_path / "group.n5").mkdir()
    (tmp_path / "group.n5/attributes.json").write_text("{}")
    with pytest.raises(ValueError, match=r"must be an array or a group of levels s0, s1, .*, got neither"):
        open_volume(tmp_path / "group.n5")
