"""The boxes of a volume, and their table."""

import numpy as np
import pytest
from mtneuro_seg import Box, Suggestion, read_boxes
from mtneuro_seg.annotation.boxes import box_grid, write_boxes


@pytest.mark.parametrize(("shape", "size"), [((7, 20, 33), (2, 8, 16)), ((1, 8, 8), (1, 8, 8))])
def test_a_volume_is_cut_into_boxes_that_lie_in_it_and_do_not_overlap(shape, size):
    count = np.zeros(shape, int)
    corners = box_grid(shape, size)
    for z, y, x in corners:
        count[z : z + size[0], y : y + size[1], x : x + size[2]] += 1
    assert count.max() == 1
    assert count.sum() == np.prod([n // edge * edge for n, edge in zip(shape, size, strict=True)])
    assert corners.tolist() == sorted(corners.tolist())


def test_a_box_larger_than_the_volume_is_refused():
    with pytest.raises(
        ValueError, match=r"size must be a box within the volume \(4, 8, 8\), got \(1, 9, 8\)"
    ):
        box_grid((4, 8, 8), (1, 9, 8))


def test_what_is_written_is_read_first_first(tmp_path):
    boxes = [Box(lower=(4, 0, 8), upper=(6, 8, 16)), Box(lower=(0, 0, 0), upper=(2, 8, 8))]
    scores = [0.25, float("nan")]
    suggestions = [
        Suggestion(box=box, score=score, strategy="random") for box, score in zip(boxes, scores, strict=True)
    ]
    write_boxes(tmp_path / "boxes.csv", suggestions)
    assert (tmp_path / "boxes.csv").read_text().splitlines() == [
        "box,z0,z1,y0,y1,x0,x1,score,strategy",
        "z4-y0-x8,4,6,0,8,8,16,0.25,random",
        "z0-y0-x0,0,2,0,8,0,8,,random",
    ]
    assert read_boxes(tmp_path) == tuple(boxes)
    assert read_boxes(tmp_path / "boxes.csv") == tuple(boxes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("z0,z1,y0,y1\n1,2,3,4\n", "must have the columns z0, z1, y0, y1, x0, x1, got no x0, x1"),
        ("z0,z1,y0,y1,x0,x1\n0,1,0,1,0,a\n", "row 1 of .* must hold whole numbers, got 0, 1, 0, 1, 0, a"),
        ("z0,z1,y0,y1,x0,x1\n0,1,5,5,0,1\n", "must be a box, first before last"),
        ("z0,z1,y0,y1,x0,x1\n-1,1,0,5,0,1\n", "must be a box, first before last"),
    ],
)
def test_a_table_that_is_none_of_boxes_is_refused(tmp_path, text, told):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_boxes(tmp_path / "a.csv")


def test_a_missing_table_is_told_with_its_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no .*boxes\.csv"):
        read_boxes(tmp_path)
