import numpy as np
import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec

from mtneuro_suite.plan.inputs import local_fingerprints, paper_inputs, source_of
from mtneuro_suite.preset.model import Preset, read_preset


def test_a_folder_of_three_zarrs_is_a_source_with_or_without_suffix(tmp_path):
    for name in ("image", "roi_labels.zarr", "pixel_labels"):
        (tmp_path / name).mkdir()
    found = source_of(str(tmp_path))
    assert isinstance(found, dict)
    assert found["roi_labels"] == str(tmp_path / "roi_labels.zarr")
    (tmp_path / "image").rmdir()
    with pytest.raises(ValueError, match="which has roi_labels, pixel_labels"):
        source_of(str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "caveat"),
    [
        ({"source": "phantom?seed=3"}, "The phantom is not the brain"),
        ({"source": "bossdb"}, "not its settings"),
    ],
)
def test_what_stands_between_our_figures_and_the_papers_is_said(changes, caveat):
    assert caveat in paper_inputs(read_preset("demo").model_copy(update=changes)).caveat
    assert paper_inputs(read_preset("paper").model_copy(update={"source": "bossdb"})).caveat == ""


def test_a_changed_file_is_another_input(tmp_path):
    path = tmp_path / "volume.npy"
    task = TaskSpec(
        name="x",
        kind="region",
        image=str(path),
        annotation=None,
        regions=("R",),
        cubes={"A": Cube(region="R", y=(0, 4), x=(0, 4))},
        splits={"all": (SplitPart(cubes=("A",), z=(0, 1)),)},
    )
    np.save(path, np.zeros((1, 4, 4), np.uint8))
    before = local_fingerprints([task])
    np.save(path, np.ones((1, 4, 4), np.uint8))
    assert local_fingerprints([task]) != before


def test_a_paper_task_is_trained_on_train_and_validation_together_and_a_search_without_validation():
    plain, searched = (paper_inputs(read_preset(name)).segmentation[0] for name in ("table2", "search"))
    assert (plain.training_set, len(plain.train), plain.val) == ("seg-2d-3class:train+val", 2, ())
    assert (searched.training_set, searched.train) == (plain.training_set, plain.train)
    assert (searched.searched_set, searched.searched) == ("seg-2d-3class:train", plain.train[:1])
    assert searched.val == plain.train[1:]


def test_the_original_codes_reading_trains_on_its_train_range_alone():
    inputs = paper_inputs(read_preset("table1").model_copy(update={"reading": "original"}))
    assert inputs.regions[0].training_set == "roi-c1:train"


def test_a_source_at_an_address_has_a_channel_below_it_each_and_keeps_its_query():
    assert source_of("s3://lab/scan/?anon=1") == {
        name: f"s3://lab/scan/{name}?anon=1" for name in ("image", "roi_labels", "pixel_labels")
    }


def test_the_columns_of_subvolumes_stand_beside_those_of_slices():
    values = read_preset("demo").model_dump()
    values["task1"]["tasks"] = ("roi-c1", "roi-c1-3d", "roi-c2-3d", "roi-c3-3d")
    values["task3"] = None
    values["task1"]["subvolumes"] = {"depth": 4, "z_step": 3, "test_z_step": 2}
    columns = {region.name: region for region in paper_inputs(Preset.model_validate(values)).regions}
    assert [region.column for region in columns.values()] == [
        "ROI-C1", "ROI-C1 in 3D", "ROI-C2 in 3D", "ROI-C3 in 3D",
    ]  # fmt: skip
    assert columns["roi-c1"].depth == 1
    c1, c2, c3 = (columns[name] for name in ("roi-c1-3d", "roi-c2-3d[B]", "roi-c3-3d[B]"))
    assert (c2.trained_in, c1.trained_in, c3.trained_in) == (c1.name, c1.name, c3.name)
    assert {(task.depth, task.z_step) for task in (*c1.train, *c3.train)} == {(4, 3)}
    assert {(task.depth, task.z_step) for task in (*c1.test, *c2.test)} == {(4, 2)}
    # Of 360 slices in each of four cubes, every third of 90 subvolumes.
    assert len(c3.train[1].samples("all")) == 4 * 30
