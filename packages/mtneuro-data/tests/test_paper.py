import re
from pathlib import Path
from typing import Any

import pytest
from mtneuro_data import builtin_task, task_names

PAPER = Path(__file__).parents[4] / "shared" / "paper" / "mtneuro_paper.json"


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("roi-c1", 1200, 200),
        ("roi-c2", 1200, 2880),
        ("roi-c3", 2640, 2880),
        ("seg-2d-3class", 1200, 200),
        ("seg-2d-4class", 900, 150),
    ],
)
def test_the_counts_are_those_of_the_papers_text(name: str, train: int, test: int) -> None:
    counts = builtin_task(name).counts()
    assert (counts["train"] + counts["val"], counts["test"]) == (train, test)


def test_the_original_reading_has_one_slice_less_at_each_end() -> None:
    assert builtin_task("roi-c1", reading="original").counts() == {"train": 1076, "val": 116, "test": 200}


def test_the_original_reading_is_the_authors_code() -> None:
    task = builtin_task("seg-3d-3class", reading="original")
    assert task.counts() == {"train": 136, "val": 16, "test": 28}
    assert builtin_task("seg-3d-3class").replaced(splits=task.splits).counts() == {
        "train": 132, "val": 12, "test": 24,
    }  # fmt: skip
    for name in ("roi-c1", "roi-c2", "roi-c3"):
        assert builtin_task(name, reading="original").region_vote == "label"
        assert builtin_task(name).region_vote == "region"


def test_semantics_takes_every_slice_of_set_a() -> None:
    assert builtin_task("semantics").counts() == {"all": 1440}


def test_three_dimensional_tasks_have_subvolumes_of_eight() -> None:
    task = builtin_task("seg-3d-4class")
    assert task.depth == 8
    assert task.counts() == {"train": 99, "val": 9, "test": 18}


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # 33 of 270 slices and 3 of 30 in each of four cubes, 6 of 50, and 45 of the 360 of a whole cube.
        ("roi-c1", {"train": 132, "val": 12, "test": 24}),
        ("roi-c2", {"train": 132, "val": 12, "test": 360}),
        ("roi-c3", {"train": 132 + 180, "val": 12, "test": 360}),
    ],
)
def test_a_region_task_of_subvolumes_is_that_of_slices_eight_deep(name: str, counts: dict[str, int]) -> None:
    flat, deep = builtin_task(name), builtin_task(f"{name}-3d")
    assert deep.counts() == counts
    assert deep == flat.replaced(name=f"{name}-3d", depth=8)


def test_the_papers_subvolumes_neither_overlap_nor_cross_the_end_of_a_range() -> None:
    deep = builtin_task("roi-c3-3d")
    for split, parts in deep.splits.items():
        # The slices of every sample, by the part of the split that it lies in.
        taken = {(cube, at): list(range(*part.z)) for at, part in enumerate(parts) for cube in part.cubes}
        for cube, z in deep.samples(split):
            (home,) = [key for key, left in taken.items() if key[0] == cube and z in left]
            for depth in range(deep.depth):
                taken[home].remove(z + depth)
        assert all(len(left) < deep.depth for left in taken.values())


@pytest.mark.parametrize("extra", ["B", "C", "D"])
def test_the_extra_training_set_is_never_tested_on(extra: str) -> None:
    task = builtin_task("roi-c3", extra=extra)
    tested = {name[0] for name, _ in task.samples("test")}
    assert {name[0] for name, _ in task.samples("train")} == {"A", extra}
    assert tested == set("BCD") - {extra}
    assert task.counts()["test"] == 2880


def test_the_extra_training_set_is_the_one_that_the_authors_name() -> None:
    assert builtin_task("roi-c3") == builtin_task("roi-c3", extra="B")
    for name in ("roi-c2", "roi-c3"):
        assert {cube[0] for cube, _ in builtin_task(name).samples("test")} == {"C", "D"}
    # What results of the earlier choice are of.
    before = [builtin_task(name, extra="D").fingerprint for name in ("roi-c2", "roi-c3")]
    assert before == ["70804ba5beb9407b", "33954cff5239e25a"]


def test_the_papers_touching_cubes_are_named() -> None:
    pairs = {(a, b) for _, a, _, b in builtin_task("roi-c3").touching()}
    assert pairs == {("A-STR", "D-STR"), ("A-ZI", "D-ZI"), ("B-VP", "D-VP"), ("B-ZI", "C-ZI")}
    pairs = {(a, b) for _, a, _, b in builtin_task("roi-c3", extra="D").touching()}
    assert pairs == {("D-VP", "B-VP"), ("D-VP", "C-VP")}


@pytest.mark.parametrize("name", task_names())
def test_every_task_lies_in_the_volume(name: str) -> None:
    task = builtin_task(name)
    for split in task.splits:
        for _, box in task.boxes(split):
            assert all(hi <= size for hi, size in zip(box.upper, (720, 1420, 5805), strict=True))
            assert box.shape[1:] == (256, 256)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "roi-c4"}, "got 'roi-c4'; did you mean 'roi-c3'"),
        ({"name": "roi-c1", "reading": "txt"}, "did you mean 'text'"),
        ({"name": "roi-c3", "extra": "A"}, "extra must be one of B, C, D, got 'A'"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_an_unknown_name_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        builtin_task(**arguments)


@pytest.mark.skipif(not PAPER.exists(), reason="the paper's tables are not beside the checkout")
def test_the_cubes_are_those_of_the_papers_tables() -> None:
    import json

    table = json.loads(PAPER.read_text())["cube_sets_table_A1_A2"]
    for name, cube in builtin_task("roi-c3").cubes.items():
        letter, region = name.split("-")
        assert table[letter][region] == {"x": list(cube.x), "y": list(cube.y)}
