import json
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec
from mtneuro_data.commands._task import cache_for, named_task


def test_a_task_file_whose_cubes_touch_is_one_line_of_warning(
    shell: Any, task: TaskSpec, tmp_path: Path
) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(4, 36), x=(56, 104))}
    parts = {
        name: (SplitPart(cubes=(cube,), z=(0, 2)),) for name, cube in (("train", "A-CTX"), ("test", "B-CTX"))
    }
    path = tmp_path / "touching.json"
    path.write_text(task.replaced(cubes=cubes, splits=parts).model_dump_json())
    status, _, err = shell("tasks", path)
    assert (status, err.count("\n")) == (0, 1)
    assert err.startswith("mtneuro-data: warning: ")
    assert shell("tasks", "roi-c3")[2] == ""


def test_unused_keys_of_an_original_file_are_one_line_of_warning(shell: Any, tmp_path: Path) -> None:
    sides = {f"{axis}range_{region}": [0, 8] for axis in "xy" for region in ("cor", "stri", "vp", "zi")}
    ranges = {"zrange": [0, 40], "z_train": [0, 4], "z_val": [4, 8], "z_test": [20, 24]}
    channels = {"image_chan": "/data/image", "annotation_chan": "/data/roi_labels"}
    (tmp_path / "task1.json").write_text(json.dumps({"name": "task1", **channels, **sides, **ranges}))
    status, out, err = shell("tasks", tmp_path / "task1.json")
    assert (status, json.loads(out)["region_vote"]) == (0, "label")
    assert err.startswith("mtneuro-data: warning: ")
    assert err.endswith("changes nothing in this task: zrange\n")


def test_a_task_is_read_from_another_source_where_one_is_named() -> None:
    assert named_task("roi-c1", "phantom?seed=7").annotation == "phantom://roi_labels?seed=7"
    assert named_task("roi-c1", None).image.startswith("bossdb://")


def test_only_a_volume_read_over_a_network_uses_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path))
    for uri in ("bossdb://lab/scan/em", "precomputed://gs://bucket/em", "s3://bucket/em.zarr"):
        found = cache_for(uri)
        assert found is not None
        assert found.root == tmp_path
    assert cache_for("precomputed:///data/em") is None
    assert cache_for("phantom://image") is cache_for("volume.npy") is None
