"""Boxes to annotate, asked for on the command line."""

import numpy as np
import pytest
from mtneuro_seg import read_boxes
from mtneuro_seg.nifti import read_nifti

SIZE = ("--size", "1", "16", "16", "--window", "16", "16")


@pytest.fixture
def volume(tmp_path):
    """The file of a volume ``(4, 40, 40)``."""
    drawn = np.random.default_rng(1).integers(0, 256, (4, 40, 40), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", drawn)
    return tmp_path / "volume.npy"


def test_boxes_are_said_and_written_and_not_suggested_again(model, volume, tmp_path, run, capsys):
    first = ("suggest", model, volume, "-o", tmp_path / "a", "--boxes", "3", *SIZE)
    assert run(*first, "--voxel-size", "3", "2", "1") == 0
    *lines, last = capsys.readouterr().out.splitlines()
    boxes = read_boxes(tmp_path / "a")
    assert [line.split()[0] for line in lines] == [box.name for box in boxes]
    assert last == f"3 boxes written to {tmp_path / 'a'}; its README says how to annotate them"
    image = read_nifti(tmp_path / "a" / "boxes" / boxes[0].name / "image.nii.gz")
    assert image.voxel_size_um == pytest.approx((3, 2, 1))
    again = (
        "-o",
        tmp_path / "b",
        "--boxes",
        "13",
        *SIZE,
        "--strategy",
        "random",
        "--annotated",
        tmp_path / "a",
    )
    assert run("suggest", model, volume, *again) == 0
    assert set(read_boxes(tmp_path / "b")).isdisjoint(boxes)
    # 16 boxes in all
    assert run("suggest", model, volume, *again, tmp_path / "b", "--force", "--seed", "3") == 2
    assert "boxes must be at most 0" in capsys.readouterr().err


def test_boxes_of_a_part_lie_where_the_part_does(model, volume, tmp_path, run):
    part = ("--z", "1:3", "--y", "8:24", "--x", "20:36")
    assert run("suggest", model, volume, "-o", tmp_path / "a", "--boxes", "2", *SIZE, *part) == 0
    boxes = read_boxes(tmp_path / "a")
    assert sorted(box.lower for box in boxes) == [(1, 8, 20), (2, 8, 20)]
    image = read_nifti(tmp_path / "a" / "boxes" / boxes[0].name / "image.nii.gz").array
    z = boxes[0].lower[0]
    np.testing.assert_array_equal(image, np.load(volume)[z : z + 1, 8:24, 20:36])


def test_wrong_words_are_one_line_before_the_model_is_read(volume, tmp_path, run, capsys):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").touch()
    for words, told in (
        (("--strategy", "luck"), "luck"),
        (("--boxes", "0"), "boxes"),
        (("--annotated", tmp_path / "nowhere"), "found no "),
        (("--embeddings", tmp_path / "nowhere.npz"), "no file of embeddings at "),
        (("-o", tmp_path / "there"), "there already; --force"),
        (("-o", tmp_path / "there", "--force"), "got something else, which is not replaced"),
    ):
        line = words if "-o" in words else ("-o", tmp_path / "a", *words)
        assert run("suggest", "nowhere", volume, *line) == 2, words
        said = capsys.readouterr().err
        assert told in said
        assert said.count("\n") == 1
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine"]


def test_the_help_teaches_the_strategies_and_what_comes_next(capsys, run):
    assert run("suggest", "--help") == 0
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word in ("uncertainty+diversity", "entropy", "margin", "ITK-SNAP", "napari", "mtneuro-seg finetune"):
        assert word in told
