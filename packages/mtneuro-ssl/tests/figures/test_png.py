import numpy as np
import pytest
from mtneuro_ssl.figures.png import save_png
from PIL import Image


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_a_picture_is_written_as_it_is(shape, tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    save_png(tmp_path / "a.png", picture)
    with Image.open(tmp_path / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found), picture)
