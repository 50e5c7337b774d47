"""Files that are there whole or not at all, and what a full disk is called."""

import errno
from pathlib import Path

import pytest
from mtneuro_seg.disk import disk_named, written_beside


@pytest.mark.parametrize(
    "met",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: File too large (os error 27)"),
    ],
)
def test_a_full_disk_is_told_with_its_number_and_what_to_do(met):
    with (
        pytest.raises(
            OSError, match="room on the disk for 'a'; make some, and the same call begins anew"
        ) as told,
        disk_named("a", then="begins anew"),
    ):
        raise met
    assert told.value.errno == errno.ENOSPC


def test_other_errors_pass_as_they_are(tmp_path):
    with pytest.raises(PermissionError, match="not yours"), disk_named(tmp_path, then="begins anew"):
        raise PermissionError(errno.EACCES, "not yours")
    with pytest.raises(ValueError, match="file too"), disk_named(tmp_path, then="begins anew"):
        raise ValueError("a file too many")


def half_written(target: Path) -> None:
    with written_beside(target) as beside:
        beside.write_text("half")
        raise OSError("full")


def test_what_fails_to_be_written_leaves_the_earlier_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("before")
    with pytest.raises(OSError, match="full"):
        half_written(target)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
