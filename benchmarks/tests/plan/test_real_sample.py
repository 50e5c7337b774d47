import itertools

import pytest

from mtneuro_suite.plan.real_sample import region_task, segmentation_task


@pytest.fixture(scope="module")
def tiles(real_data):
    task = region_task(real_data)
    names = {split: [name for part in parts for name in part.cubes] for split, parts in task.splits.items()}
    return task, names


def test_no_training_tile_shares_a_pixel_with_a_test_tile(tiles):
    task, names = tiles
    for one, other in itertools.product(names["train"], names["test"]):
        a, b = task.cubes[one], task.cubes[other]
        apart = any(p[1] <= q[0] or q[1] <= p[0] for p, q in ((a.y, b.y), (a.x, b.x)))
        assert apart, (one, other)


def test_training_is_about_set_a_and_testing_about_the_others(tiles):
    _, names = tiles
    assert {name[0] for name in names["train"]} == {"A"}
    assert {name[0] for name in names["test"]} == {"B", "C", "D"}


def test_every_region_is_in_both_splits(tiles):
    task, names = tiles
    for split in ("train", "test"):
        counts = {
            region: sum(task.cubes[n].region == region for n in names[split]) for region in task.regions
        }
        assert min(counts.values()) >= 8, counts


def test_the_cutout_is_split_in_z_with_a_gap(real_data):
    task = segmentation_task(real_data, depth=1)
    train, test = task.splits["train"][0], task.splits["test"][0]
    assert test.z[0] - train.z[1] >= 10


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"roi_polygons_z309_xy": {"CTX": 3}}'])
def test_a_damaged_calibration_is_refused_by_name(tmp_path, content):
    (tmp_path / "prasad2020").mkdir()
    path = tmp_path / "prasad2020" / "calibration.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"calibration\.json must hold roi_polygons_z309_xy"):
        region_task(tmp_path)
