import pytest
from mtneuro_data import builtin_task, load

from mtneuro_suite.plan.costs import forward_cost, image_count, pixel_count
from mtneuro_suite.plan.inputs import parts


@pytest.mark.parametrize(
    ("name", "downsample", "z_step"), [("roi-c1", 4, 7), ("seg-2d-3class", 2, 20), ("seg-3d-4class", 4, 1)]
)
def test_as_many_images_of_as_many_pixels_are_expected_as_are_loaded(name, downsample, z_step):
    task = builtin_task(name).with_source("phantom")
    tasks = parts(task, ("test",), downsample=downsample, z_step=z_step)
    loaded = [load(one, "all").images for one in tasks]
    assert image_count(tasks) == sum(len(images) for images in loaded)
    assert [pixel_count(one) for one in tasks] == [images.shape[-1] * images.shape[-2] for images in loaded]


def test_a_forward_pass_costs_in_proportion_to_its_pixels():
    # 4.43 GFLOP for 64 x 64 pixels at 60 GFLOP/s.
    assert forward_cost(64 * 64) == pytest.approx(0.074, abs=0.001)
    assert forward_cost(8 * 64 * 64) == pytest.approx(8 * forward_cost(64 * 64))
