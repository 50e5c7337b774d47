import hashlib
import json
from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, builtin_task
from pydantic import ValidationError


def changed(task: TaskSpec, **changes: Any) -> TaskSpec:
    return task.replaced(**changes)


def split(z: tuple[int, int], *cubes: str) -> tuple[SplitPart, ...]:
    return (SplitPart(cubes=cubes, z=z),)


def test_train_and_test_may_not_share_a_voxel(task: TaskSpec) -> None:
    with pytest.raises(
        ValueError, match=r"share no voxel: train has A-CTX z \[0, 10\) .* test has A-CTX z \[9, 20\)"
    ):
        changed(task, splits={"train": split((0, 10), "A-CTX"), "test": split((9, 20), "A-CTX")})


def test_cubes_of_other_names_that_overlap_are_found(task: TaskSpec) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(20, 52), x=(40, 88))}
    with pytest.raises(ValueError, match="share no voxel"):
        changed(task, cubes=cubes, splits={"train": split((0, 10), "A-CTX"), "test": split((5, 20), "B-CTX")})


@pytest.mark.parametrize("one", ["train", "val"])
def test_test_keeps_the_buffer_from_train_and_val(task: TaskSpec, one: str) -> None:
    splits = {one: split((0, 10), "A-CTX"), "test": split((19, 30), "A-CTX")}
    with pytest.raises(ValueError, match="at least 10 slices apart along z, got 9"):
        changed(task, splits=splits)
    assert changed(task, splits=splits, z_buffer=9).counts() == {one: 10, "test": 11}


def test_features_are_of_semantics_alone_and_change_no_fingerprint() -> None:
    semantics = builtin_task("semantics")
    named = changed(semantics, features=["cell_count"])
    assert named.features == ("cell_count",)
    assert named.fingerprint == semantics.fingerprint
    with pytest.raises(ValueError, match='measured by the kind "semantics", got them in "region"'):
        changed(builtin_task("roi-c1"), features=["cell_count"])
    with pytest.raises(ValueError, match='got "cell_count" 2 times'):
        changed(semantics, features=["cell_count", "cell_count"])


def test_instances_are_of_semantics_and_of_a_class_of_ids() -> None:
    semantics = builtin_task("semantics")
    own = semantics.replaced(class_names=("background", "cell", "edge"), label_map={"*": 1, "boundary": 2})
    named = own.replaced(instances="cell")
    assert named.fingerprint != own.fingerprint
    with pytest.raises(ValueError, match='measured by the kind "semantics", got them in "segmentation"'):
        named.replaced(kind="segmentation")
    for word in ("edge", "background", "cells"):
        with pytest.raises(ValueError, match=f"label_map gives to ids .*cell.*'{word}'"):
            own.replaced(instances=word)


def test_train_and_val_may_be_adjacent(task: TaskSpec) -> None:
    assert task.counts() == {"train": 20, "val": 8, "test": 18}


def test_different_cubes_need_no_buffer(task: TaskSpec) -> None:
    splits = {"train": split((0, 10), "A-CTX"), "test": split((0, 10), "A-STR")}
    assert changed(task, splits=splits).touching() == ()


def test_touching_cubes_are_named(task: TaskSpec) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(4, 36), x=(56, 104))}
    splits = {"train": split((0, 10), "A-CTX"), "test": split((5, 20), "B-CTX")}
    assert changed(task, cubes=cubes, splits=splits).touching() == (("train", "A-CTX", "test", "B-CTX"),)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"regions": ("CTX", "CTX")}, 'got "CTX" 2 times'),
        ({"regions": ("CTX", "STX")}, "got 'STR'; did you mean 'STX'"),
        ({"splits": {"train": split((0, 5), "A-CTZ")}}, "got 'A-CTZ'; did you mean 'A-CTX'"),
        ({"splits": {"train": split((0, 5), "A-CTX", "A-CTX")}}, "twice in one part"),
        ({"splits": {"train": split((0, 5), "A-CTX") * 2}}, "holds slices twice"),
        ({"depth": 20}, "holds no image of 20 slices"),
        ({"downsample": 3}, "downsample"),
        ({"label_map": {0: 3}}, r"classes in \[0, 3\), got 0 -> 3"),
        ({"label_map": {"boundry": 1}}, "got 'boundry'; did you mean 'boundary'"),
        ({"label_map": {"1.5": 1}}, "whole number must be one of .* got '1.5'"),
        ({"label_map": {"boundary": 1, "boundary_3d": 2}}, "label_map must name one of .* got both"),
        ({"label_map": {3: "vesel"}}, "gives to 3 must be one of .* got 'vesel'; did you mean 'vessel'"),
        ({"roi_map": {"boundary": 1}}, r"roi_map takes labels and \*, got boundary"),
        ({"class_names": [str(n) for n in range(257)]}, "class_names must be 256 at most"),
        ({"label_map": {}}, "needs annotation, class_names and label_map, got no label_map; images without"),
        ({"annotation": None}, 'got no annotation; images without labels are of the kind "region"'),
        ({"kind": "region"}, "roi_map must not be empty .*; without an annotation, images have their cube's"),
        ({"z_stp": 2}, "got 'z_stp'; did you mean 'z_step'"),
        ({"annotated_z": (5, 5)}, r"got \[5, 5\)"),
        ({"voxel_size_um": (0, 1, 1)}, "greater than 0"),
        ({"voxel_size_um": (1e400, 1, 1)}, "finite"),
        ({"z_step": 10**400}, "less than or equal to 2147483648"),
        ({"depth": -(10**400)}, "greater than or equal to 1"),
        ({"z_buffer": 2**63}, "less than or equal to 2147483648"),
    ],
)
def test_a_wrong_field_is_refused(task: TaskSpec, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        changed(task, **changes)


def test_unequal_faces_are_refused(task: TaskSpec) -> None:
    cubes = {**task.cubes, "A-STR": Cube(region="STR", y=(0, 8), x=(0, 48))}
    with pytest.raises(ValueError, match=r'"A-CTX" has \(32, 48\), "A-STR" has \(8, 48\)'):
        changed(task, cubes=cubes)


def test_an_indivisible_face_is_refused(task: TaskSpec) -> None:
    cubes = {"A-CTX": Cube(region="CTX", y=(0, 30), x=(0, 48))}
    with pytest.raises(ValueError, match="downsample 4 must divide"):
        changed(task, cubes=cubes, splits={"train": split((0, 5), "A-CTX")}, downsample=4)


def test_the_fingerprint_follows_every_field(task: TaskSpec) -> None:
    assert len(task.fingerprint) == 16
    assert TaskSpec(**task.model_dump()).fingerprint == task.fingerprint
    assert changed(task, z_step=2).fingerprint != task.fingerprint
    assert changed(task, image="elsewhere.npy").fingerprint != task.fingerprint


def test_later_fields_count_in_the_fingerprint_only_where_they_are_set(task: TaskSpec) -> None:
    dumped = task.model_dump(mode="json")
    for name in ("intensity", "image_type", "features", "instances", "region_vote", "across_cubes"):
        del dumped[name]
    text = json.dumps({"task": dumped}, sort_keys=True, separators=(",", ":"))
    assert task.fingerprint == hashlib.sha256(text.encode()).hexdigest()[:16]
    seen = {task.fingerprint, changed(task, intensity=(0, 9)).fingerprint}
    seen |= {changed(task, intensity=("1%", "99%")).fingerprint}
    seen |= {changed(task, intensity=(0, 9), image_type="float32").fingerprint}
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"intensity": (9, 1)}, "lower intensity must be less than the higher, got 9.0:1.0"),
        ({"intensity": ("1", "9")}, "numbers, or percentiles such as"),
        ({"image_type": "float32"}, "image_type float32 needs intensity"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(
    task: TaskSpec, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        changed(task, **fields)


def test_the_fingerprint_of_a_paper_task_is_fixed() -> None:
    # Results carry it: a change here makes everybody's results stale, so it must be meant.
    assert builtin_task("roi-c1").fingerprint == "fc4c906595df945d"


def test_the_source_is_swapped_by_name_or_by_channel() -> None:
    task = builtin_task("seg-2d-3class")
    assert task.with_source("phantom").annotation == "phantom://pixel_labels"
    assert task.with_source("phantom").with_source("bossdb") == task
    own = task.with_source({"image": "a.zarr", "pixel_labels": "b.zarr"})
    assert (own.image, own.annotation) == ("a.zarr", "b.zarr")
    assert builtin_task("roi-c1").with_source({"image": "a.zarr"}).annotation is None


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("phanton", "did you mean 'phantom'"),
        ({"imag": "a"}, "did you mean 'image'"),
        ({"image": "a"}, "needs the channels image and pixel_labels, got image"),
    ],
)
def test_an_unknown_source_is_refused(source: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        builtin_task("semantics").with_source(source)


def test_a_task_of_billions_of_slices_is_counted_and_not_listed(task: TaskSpec) -> None:
    assert task.replaced(splits={"all": split((0, 2**31), "A-CTX")}).counts() == {"all": 2**31}


def test_subvolumes_stay_inside_their_part(task: TaskSpec) -> None:
    deep = changed(task, depth=4)
    assert deep.samples("test") == (("A-CTX", 24), ("A-CTX", 28), ("A-STR", 24), ("A-STR", 28))


def test_z_step_keeps_every_kth_image(task: TaskSpec) -> None:
    assert [z for _, z in changed(task, z_step=3).samples("test")] == [24, 27, 30] * 2
    assert [z for _, z in changed(task, depth=2, z_step=2).samples("test")] == [24, 28] * 2


def test_a_label_map_holds_ids_of_any_size_words_and_names(task: TaskSpec) -> None:
    mapped = changed(task, label_map={1 << 63: "cell", "17": 1, -1: 0, "*": "vessel", "boundary": 2})
    assert mapped.label_map == {1 << 63: 2, 17: 1, -1: 0, "*": 1, "boundary": 2}
    again = TaskSpec.model_validate_json(mapped.model_dump_json())
    assert (again, again.fingerprint) == (mapped, mapped.fingerprint)


def test_a_volume_of_one_region_is_described_in_a_few_lines() -> None:
    short: dict[str, Any] = {
        "name": "mine",
        "kind": "segmentation",
        "image": "em.zarr",
        "annotation": "ids.zarr",
        "label_map": {"*": "neuron"},
        "cubes": {"A": {"y": (0, 8), "x": (0, 8)}, "B": {"y": (8, 16), "x": (0, 8)}},
        "splits": {"train": [{"z": (0, 4)}], "test": [{"cubes": ["B"], "z": (20, 24)}]},
    }
    task = TaskSpec(**short)
    full = task.model_dump()
    assert full["regions"] == ("volume",)
    assert {cube.region for cube in task.cubes.values()} == {"volume"}
    assert (task.class_names, task.label_map) == (("background", "neuron"), {"*": 1})
    assert task.splits["train"][0].cubes == ("A", "B")
    assert task.counts() == {"train": 8, "test": 4}
    assert TaskSpec(**full).fingerprint == task.fingerprint


def test_a_cube_of_several_regions_must_name_its_own(task: TaskSpec) -> None:
    cubes = {**task.cubes, "A-STR": Cube(y=(100, 132), x=(120, 168))}
    with pytest.raises(ValueError, match='the cube "A-STR" must name its region, one of CTX, STR'):
        changed(task, cubes=cubes)
    fields: dict[str, Any] = {**task.model_dump(exclude={"regions"}), "cubes": cubes}
    with pytest.raises(ValueError, match='the cube "A-STR" must name its region, one of CTX'):
        TaskSpec(**fields)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "depth must be more than 1, got 1"),
        ({"depth": 4, "label_map": {"*": 1, "boundary": 2}}, "their boundaries mean nothing"),
        (
            {"depth": 4, "class_names": [f"class {at}" for at in range(256)]},
            "class_names must be 255 at most with across_cubes",
        ),
    ],
)
def test_subvolumes_across_cubes_are_refused_where_they_make_no_sense(
    task: TaskSpec, changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        task.replaced(across_cubes=True, **changes)


def test_how_the_originals_code_reads_a_task_counts_in_its_fingerprint_where_it_is_asked_for(
    task: TaskSpec,
) -> None:
    deep = task.replaced(depth=4)
    assert deep.fingerprint == deep.replaced(across_cubes=False, region_vote="region").fingerprint
    assert len({deep.fingerprint, deep.replaced(across_cubes=True).fingerprint}) == 2
    assert len({task.fingerprint, task.replaced(region_vote="label").fingerprint}) == 2


def labelled_slices(task: TaskSpec, split: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, z in task.samples(split):
        found.setdefault(name, []).append(z)
    return found


@pytest.mark.parametrize("z_step", [1, 7])
@pytest.mark.parametrize("name", ["roi-c1", "roi-c3", "seg-3d-3class"])
def test_fewer_labels_are_nested_blocks_of_neighbours_in_every_cube(name: str, z_step: int) -> None:
    task = builtin_task(name).replaced(z_step=z_step)
    all_of_them = labelled_slices(task, "train")
    smaller: dict[str, list[int]] = {}
    for fraction in (0.01, 0.05, 0.1, 0.25, 1.0):
        kept = labelled_slices(task.with_labels(fraction), "train")
        assert kept.keys() == all_of_them.keys()
        for cube, slices in kept.items():
            wanted = max(1, int(fraction * len(all_of_them[cube]) + 0.5))
            assert slices == all_of_them[cube][:wanted]
            assert set(smaller.get(cube, ())) <= set(slices)
        smaller = kept
    assert task.with_labels(1.0) == task
    assert {*task.splits} - {*task.with_labels(0.01).splits} == set()


def test_fewer_labels_leave_the_other_splits_alone_and_several_are_cut_as_one() -> None:
    task = builtin_task("roi-c1")
    few = task.with_labels(0.1)
    assert (few.splits["val"], few.splits["test"]) == (task.splits["val"], task.splits["test"])
    both = task.with_labels(0.95, splits=("train", "val"))
    assert both.counts() == {"train": 1080, "val": 4 * 15, "test": 200}  # 285 of 300 a cube
    assert task.with_labels(0.1, splits=("train", "val")).counts() == {"train": 4 * 30, "test": 200}


def test_cubes_of_unlike_length_are_cut_each_by_itself(task: TaskSpec) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(64, 96), x=(48, 96))}
    own = changed(
        task, cubes=cubes, splits={"train": (*split((0, 40), "A-CTX", "B-CTX"), *split((60, 80), "B-CTX"))}
    )
    kept = labelled_slices(own.with_labels(0.75), "train")
    assert kept == {"A-CTX": [*range(30)], "B-CTX": [*range(40), *range(60, 65)]}


def test_subvolumes_that_run_across_cubes_are_cut_to_whole_ones() -> None:
    task = builtin_task("seg-3d-3class", reading="original")
    few = task.with_labels(0.5)
    assert few.counts()["train"] == 4 * 17  # of 34 a cube
    whole = task.with_labels(0.99)
    assert labelled_slices(whole, "train") == labelled_slices(task, "train")


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.01, float("nan")])
def test_a_fraction_of_labels_out_of_range_is_refused(task: TaskSpec, fraction: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1, got"):
        task.with_labels(fraction)


def test_labels_of_a_split_that_is_not_there_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a split of the task roi-c1.*'training'"):
        builtin_task("roi-c1").with_labels(0.5, splits="training")
