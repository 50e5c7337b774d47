import numpy as np
import pytest
from mtneuro_data import builtin_task

from mtneuro_suite.steps.sample_names import depth_in, sample_names

TASK = builtin_task("roi-c1").with_source("phantom")
PART = TASK.replaced(
    splits={"all": ({"cubes": ("A-CTX", "A-VP"), "z": (420, 470)},)},
    cubes={name: TASK.cubes[name] for name in ("A-CTX", "A-VP")},
)
OTHER_PLACE = PART.cubes["A-VP"].model_copy(update={"region": "CTX"})
IDS = np.array(["A-CTX/z420", "A-CTX/z421/br", "A-VP/z420"])


def names(task=PART, files=None, **how):
    return sample_names(task, files or {}, IDS, **how).tolist()


def test_a_name_is_the_id_with_what_decides_its_pixels():
    whole, corner, other = names()
    assert whole.startswith("A-CTX/z420@x1-")
    assert corner == f"A-CTX/z421/br@{whole.rpartition('@')[2]}"
    # Another cube of another place has another digest.
    assert other.rpartition("-")[2] != whole.rpartition("-")[2]
    assert len(names(PART.replaced(depth=8))[0].partition("@x1z8-")[2]) == 8


@pytest.mark.parametrize(
    ("task", "files", "how"),
    [
        (PART.replaced(downsample=4), {}, {}),
        (PART, {}, {"downsample": 4}),
        (PART, {}, {"downsample": 4, "resampling": "hamming"}),
        (PART.replaced(depth=8), {}, {}),
        (PART.replaced(image="phantom://?seed=7"), {}, {}),
        (PART, {PART.image: "abc"}, {}),
        (PART.replaced(intensity=(0, 99)), {}, {}),
        (PART.replaced(cubes={**PART.cubes, "A-CTX": OTHER_PLACE}), {}, {}),
    ],
)
def test_other_pixels_have_other_names(task, files, how):
    assert names(task, files, **how)[0] != names()[0]


def test_the_same_pixels_of_another_split_or_step_have_the_same_names():
    assert names(PART.replaced(z_step=5, name="mine", annotation=None, roi_map={})) == names()
    # A local file's content counts, and not where it lies; nor how nothing is reduced.
    moved = PART.replaced(image="/elsewhere/image.npy")
    assert names(moved, {moved.image: "abc"}) == names(PART, {PART.image: "abc"})
    assert names(resampling="hamming") == names()


def test_the_depth_stands_in_the_name():
    assert [depth_in(name) for name in (*names(), names(PART.replaced(depth=8))[0])] == [1, 1, 1, 8]
    for other in ("A-CTX/z420", "@x4-12", "a@x-12", "a@xz8-12", "a@x4z-12", "a@x4", "me@example.org"):
        assert depth_in(other) is None
