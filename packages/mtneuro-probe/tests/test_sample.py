import numpy as np
import pytest
from mtneuro_probe import sample_positions
from mtneuro_probe.sample import lone_samples


def test_a_position_is_read_from_an_id():
    positions = sample_positions(np.array(["A-CTX/z110", "B/VP/z7/tl"]))
    assert positions.cube.tolist() == ["A-CTX", "B/VP"]
    assert positions.z.tolist() == [110, 7]
    assert positions.corner.tolist() == ["", "tl"]


@pytest.mark.parametrize("name", ["z110", "A/110", "A/z-1", "A/z1/xx", "/z1", "A/z1/tl/br", ""])
def test_an_id_of_another_form_is_refused_and_named(name):
    with pytest.raises(ValueError, match=f"got '{name}'$"):
        sample_positions(["A/z1", name])


def test_samples_are_alone_where_no_id_names_a_slice(caplog):
    assert lone_samples(["A/z0", "img_1"]) is None
    assert lone_samples([]) is None
    assert not caplog.text
    alone = lone_samples(np.array(["img_1", "img_1"]))
    assert alone is not None
    assert alone.tolist() == [0, 1]
    assert "such as 'img_1'" in caplog.text
