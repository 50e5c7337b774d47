import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, UnusedKeysWarning, builtin_task, read_task

CUBES = {
    "A-CTX": Cube(region="CTX", y=(900, 1156), x=(4600, 4856)),
    "A-STR": Cube(region="STR", y=(500, 756), x=(3700, 3956)),
    "A-VP": Cube(region="VP", y=(850, 1106), x=(3063, 3319)),
    "A-ZI": Cube(region="ZI", y=(650, 906), x=(1543, 1799)),
}
BEFORE_ZI = {name: cube for name, cube in CUBES.items() if name != "A-ZI"}
REGIONS = ("CTX", "STR", "VP", "ZI")


def splits(cubes: dict[str, Cube], **ranges: tuple[int, int]) -> dict[str, tuple[SplitPart, ...]]:
    return {split: (SplitPart(cubes=tuple(cubes), z=z),) for split, z in ranges.items()}


SPLITS = {"train": (110, 379), "val": (380, 409), "test": (420, 470)}
COMMON: dict[str, Any] = {
    "image": "bossdb://prasad/prasad2020/image",
    "annotation": "bossdb://prasad/prasad_analysis/pixel_labels",
    "z_buffer": 0,
    "voxel_size_um": (1.17, 1.17, 1.17),
}
THREE: dict[str, Any] = {
    **COMMON,
    "kind": "segmentation",
    "regions": REGIONS,
    "cubes": CUBES,
    "splits": splits(CUBES, **SPLITS),
    "class_names": ("background", "vessel", "cell"),
    "label_map": {0: 0, 1: 1, 2: 2, 3: 0},
}
FOUR: dict[str, Any] = {
    **COMMON,
    "kind": "segmentation",
    "regions": REGIONS[:3],
    "cubes": BEFORE_ZI,
    "splits": splits(BEFORE_ZI, **SPLITS),
    "class_names": ("background", "vessel", "cell", "axon"),
    "label_map": {0: 0, 1: 1, 2: 2, 3: 3},
}
PUBLISHED = {
    "task1": TaskSpec.model_validate(
        COMMON
        | {
            "annotation": "bossdb://prasad/prasad_analysis/roi_labels",
            "name": "task1",
            "kind": "region",
            "regions": REGIONS,
            "cubes": CUBES,
            "splits": splits(CUBES, **SPLITS),
            "roi_map": {0: 0, 1: 0, 2: 1, 8: 1, 3: 2, 4: 2, 5: 3, 6: 3, 7: 3},
            "region_vote": "label",
            "annotated_z": (109, 460),
        }
    ),
    "task2_2D_3class": TaskSpec(name="task2_2D_3class", **THREE),
    "task2_2D_4class": TaskSpec(name="task2_2D_4class", **FOUR),
    "task2_3D_3class": TaskSpec(name="task2_3D_3class", depth=8, across_cubes=True, **THREE),
    "task2_3D_4class": TaskSpec(name="task2_3D_4class", depth=8, across_cubes=True, **FOUR),
    "task3": TaskSpec.model_validate(
        FOUR
        | {
            "name": "task3",
            "kind": "semantics",
            "regions": REGIONS,
            "cubes": CUBES,
            "splits": splits(CUBES, all=(110, 470)),
        }
    ),
}
"""What the published files stand for; those of both versions alike."""

UNUSED = {
    ("2022-07", "task3"): "z_train, z_val, z_test",
    ("2022-11", "task3"): "zrange, z_val, z_test, encoder_path",
}
"""Keys that a published file has and the original does not read; elsewhere ``zrange``."""


@pytest.mark.parametrize("version", ["2022-07", "2022-11"])
def test_every_published_task_file_is_read_unchanged(real_data: Path, version: str) -> None:
    folder = real_data / "original_json" / version / "taskconfig"
    assert {path.stem for path in folder.iterdir()} == set(PUBLISHED)
    for name, expected in PUBLISHED.items():
        with pytest.warns(UnusedKeysWarning) as told:
            found = read_task(folder / f"{name}.json")
        assert found == expected, name
        (warning,) = told
        assert str(warning.message).endswith(f"in this task: {UNUSED.get((version, name), 'zrange')}"), name


def test_the_published_files_are_the_built_in_tasks_in_the_originals_reading() -> None:
    names = {
        "task1": "roi-c1",
        "task2_2D_3class": "seg-2d-3class",
        "task2_2D_4class": "seg-2d-4class",
        "task2_3D_3class": "seg-3d-3class",
        "task2_3D_4class": "seg-3d-4class",
        "task3": "semantics",
    }
    for name, ours in names.items():
        task = builtin_task(ours, reading="original")
        assert PUBLISHED[name] == task.replaced(name=name, z_buffer=0)


def test_the_published_files_have_the_originals_counts() -> None:
    counts = {name: task.counts() for name, task in PUBLISHED.items()}
    assert counts == {
        "task1": {"train": 1076, "val": 116, "test": 200},
        "task2_2D_3class": {"train": 1076, "val": 116, "test": 200},
        "task2_2D_4class": {"train": 807, "val": 87, "test": 150},
        "task2_3D_3class": {"train": 136, "val": 16, "test": 28},
        "task2_3D_4class": {"train": 102, "val": 12, "test": 21},
        "task3": {"all": 1440},
    }


@pytest.fixture
def original() -> dict[str, Any]:
    """A task file of the original benchmark."""
    return {
        "name": "mine",
        "image_chan": "bossdb://prasad/prasad2020/image",
        "annotation_chan": "bossdb://prasad/prasad_analysis/pixel_labels",
        "xrange_cor": [4600, 4856],
        "yrange_cor": [900, 1156],
        "xrange_stri": [3700, 3956],
        "yrange_stri": [500, 756],
        "xrange_vp": [3063, 3319],
        "yrange_vp": [850, 1106],
        "xrange_zi": [1543, 1799],
        "yrange_zi": [650, 906],
        "z_train": [110, 379],
        "z_val": [380, 409],
        "z_test": [420, 470],
        "volume_z": 1,
        "tile_size": [256, 256],
        "task_type": "normal",
        "combine_ax_and_bg": 0,
        "noZI": 0,
    }


@pytest.fixture
def of_regions(original: dict[str, Any]) -> dict[str, Any]:
    unused = ("task_type", "combine_ax_and_bg")
    kept = {key: value for key, value in original.items() if key not in unused}
    return kept | {"annotation_chan": "bossdb://prasad/prasad_analysis/roi_labels"}


def read(tmp_path: Path, values: dict[str, Any]) -> TaskSpec:
    (tmp_path / "task.json").write_text(json.dumps(values))
    return read_task(tmp_path / "task.json")


def test_a_tile_smaller_than_the_ranges_divides_them(tmp_path: Path, original: dict[str, Any]) -> None:
    task = read(tmp_path, original | {"tile_size": [128, 64]})
    assert len(task.cubes) == 4 * 2 * 4
    first, second, *_, last = [name for name in task.cubes if "CTX" in name]
    assert (first, second, last) == ("A-CTX@900,4600", "A-CTX@900,4728", "A-CTX@1092,4728")
    assert task.cubes[second] == Cube(region="CTX", y=(900, 964), x=(4728, 4856))
    assert task.counts() == {"train": 8 * 1076, "val": 8 * 116, "test": 8 * 200}
    with pytest.raises(
        ValueError, match=r"task.json: tile_size .* must divide .* got \[100, 256\] where CTX"
    ):
        read(tmp_path, original | {"tile_size": [100, 256]})


@pytest.mark.parametrize("leaves_out", [{"noZI": 1}, {"task_type": "noZI"}])
def test_the_zona_incerta_is_left_out_of_tasks_of_regions_too(
    tmp_path: Path, original: dict[str, Any], of_regions: dict[str, Any], leaves_out: dict[str, Any]
) -> None:
    task = read(tmp_path, of_regions | leaves_out)
    assert tuple(task.cubes) == ("A-CTX", "A-STR", "A-VP")
    assert task.counts()["test"] == 150
    # An image at its edge may still lie in it, and the other regions keep their classes.
    assert task.regions == REGIONS
    assert read(tmp_path, original | leaves_out).regions == REGIONS[:3]


@pytest.mark.parametrize("task_type", ["normal", "noZI", "3class"])
@pytest.mark.parametrize("merged", [0, 1])
def test_axons_become_background_by_their_own_key_alone(
    tmp_path: Path, original: dict[str, Any], task_type: str, merged: int
) -> None:
    values = original | {"task_type": task_type, "combine_ax_and_bg": merged}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        task = read(tmp_path, values)
    assert task.label_map[3] == (0 if merged else 3)
    assert task.class_names == ("background", "vessel", "cell", "axon")[: 3 if merged else 4]
    contradicts = task_type == "3class" and not merged
    assert ["task_type (combine_ax_and_bg = 1" in str(one.message) for one in told] == [True] * contradicts


def test_only_the_benchmarks_own_channel_has_labels_of_some_slices_alone(
    tmp_path: Path, of_regions: dict[str, Any]
) -> None:
    assert read(tmp_path, of_regions).annotated_z == (109, 460)
    other = of_regions | {"annotation_chan": "bossdb://lab/scan/roi_labels"}
    assert read(tmp_path, other).annotated_z is None


def test_task_3_reads_the_whole_range_until_its_file_names_an_encoder(
    tmp_path: Path, original: dict[str, Any]
) -> None:
    values = original | {"name": "task3", "zrange": [200, 210]}
    del values["z_val"], values["z_test"], values["z_train"]
    task = read(tmp_path, values)
    assert (task.kind, task.counts()) == ("semantics", {"all": 40})
    with pytest.raises(ValueError, match=r"task\.json: zrange must be given"):
        read(tmp_path, {key: value for key, value in values.items() if key != "zrange"})
    with pytest.warns(UnusedKeysWarning, match="in this task: zrange$"):
        task = read(tmp_path, values | {"z_train": [110, 470], "encoder_type": "PCA"})
    assert (task.kind, task.counts()) == ("semantics", {"all": 1440})


def test_unused_keys_are_named_and_may_hold_anything(tmp_path: Path, of_regions: dict[str, Any]) -> None:
    unused: dict[str, Any] = {"zrange": "all", "combine_ax_and_bg": 7, "task_type": "3class", "z_trian": 1}
    with pytest.warns(UnusedKeysWarning) as told:
        task = read(tmp_path, of_regions | unused | {"comment": "tried in March"})
    assert task == read(tmp_path, of_regions)
    text = str(told[0].message)
    for key in (*unused, "comment"):
        assert key in text
    assert "z_trian (did you mean z_train?)" in text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"z_train": None}, "z_train must be given"),
        ({"z_train": [379, 110]}, r"z_train: range must satisfy .* got \[379, 110\)"),
        ({"z_train": [-5, 110]}, "z_train"),
        ({"z_train": [0, 10**30]}, "z_train: range must satisfy"),
        ({"volume_z": 10**12}, r"depth must be less than or equal to 2147483648, got 1000000000000"),
        ({"z_test": [400, 470]}, "splits must share no voxel"),
        ({"tile_size": [512, 256]}, r"tile_size .* got \[512, 256\]"),
        ({"task_type": "4class"}, "task_type"),
        ({"noZI": 2}, "noZI"),
        ({"xrange_vp": None}, "xrange_vp"),
    ],
)
def test_a_wrong_value_is_refused(
    tmp_path: Path, original: dict[str, Any], change: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        read(tmp_path, original | change)


def test_a_misspelt_key_that_the_task_needs_is_missed(tmp_path: Path, original: dict[str, Any]) -> None:
    values = original | {"z_trian": original["z_train"]}
    del values["z_train"]
    with (
        pytest.warns(UnusedKeysWarning, match="did you mean z_train"),
        pytest.raises(ValueError, match="z_train must be given"),
    ):
        read(tmp_path, values)
