"""Files and folders that appear whole or not at all."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mtneuro_data._shared.files import disk_errors_named, link_target, name_beside, remove, written_beside


def write(path: Path, *, then: BaseException | None = None, folder: bool = False) -> None:
    with written_beside(path) as beside:
        if folder:
            beside.mkdir()
            (beside / "newer").touch()
        else:
            beside.write_text("newer")
        if then is not None:
            raise then


def fail(error: Exception) -> None:
    with disk_errors_named("a.zarr"):
        raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_temporary_names_differ_and_keep_the_ending(tmp_path):
    one, other = name_beside(tmp_path / "a.npz"), name_beside(tmp_path / "a.npz")
    assert one != other
    assert one.parent == tmp_path
    assert one.suffix == ".npz"


@pytest.mark.skipif(os.name == "nt", reason="Windows does not tell whether a process is alive")
def test_what_a_killed_process_left_is_removed_by_the_next_that_writes_there(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from mtneuro_data._shared.files import written_beside\n"
        "with written_beside(Path(sys.argv[1])) as beside: beside.mkdir(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], check=False)
    (left,) = names(tmp_path)
    alive = name_beside(tmp_path / "other").name
    (tmp_path / alive).touch()
    write(tmp_path / "a.txt")
    assert left.endswith("-model")
    assert names(tmp_path) == [alive, "a.txt"]


def test_a_missing_folder_is_made(tmp_path):
    write(tmp_path / "new" / "a.txt")
    assert (tmp_path / "new" / "a.txt").read_text() == "newer"


def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("older")
    with pytest.raises(RuntimeError):
        write(tmp_path / "a.txt", then=RuntimeError())
    assert (tmp_path / "a.txt").read_text() == "older"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_takes_the_place_of_an_older_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "older").touch()
    write(tmp_path / "model", folder=True)
    assert names(tmp_path / "model") == ["newer"]
    assert names(tmp_path) == ["model"]


def test_a_failure_leaves_the_older_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "older").touch()
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "model", folder=True, then=KeyboardInterrupt())
    assert names(tmp_path / "model") == ["older"]
    assert names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_renamed_leaves_the_older_one(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "older").touch()
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target == tmp_path / "model" and (self / "newer").exists():
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(OSError, match="cannot write"):
        write(tmp_path / "model", folder=True)
    assert names(tmp_path / "model") == ["older"]


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.txt").symlink_to(tmp_path / "disk" / "a.txt")
    write(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "disk" / "a.txt").read_text() == "newer"
    assert names(tmp_path / "disk") == ["a.txt"]


def test_a_link_leads_to_where_it_points_and_other_paths_to_themselves(tmp_path):
    (tmp_path / "b").symlink_to("a")
    assert link_target(tmp_path / "b") == tmp_path / "a"
    assert link_target("c/../d") == Path("c/../d")


def test_what_is_renamed_and_the_name_itself_are_on_the_disk(tmp_path, monkeypatch):
    synchronised: list[tuple[int, list[str]]] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synchronised.append((os.fstat(file).st_ino, names(tmp_path)))
    )
    write(tmp_path / "model", folder=True)
    folder, file = tmp_path / "model", tmp_path / "model" / "newer"
    inodes = [path.stat().st_ino for path in (folder, file, tmp_path)]
    assert [inode for inode, _ in synchronised] == inodes
    assert [("model" in at) for _, at in synchronised] == [False, False, True]


def test_what_need_not_last_is_renamed_without_waiting_for_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda file: pytest.fail("waited for the disk"))
    with written_beside(tmp_path / "a.txt", durable=False) as beside:
        beside.write_text("newer")
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "your disk quota is used up; make room"),
        (OSError(errno.EFBIG, "File too large"), "no file may grow that large here; raise the limit"),
        (RuntimeError("I/O error: File too large (os error 27)"), "no file may grow that large here"),
        (
            RuntimeError("[enforce fail] PytorchStreamWriter: file write failed"),
            "the disk is full; make room",
        ),
    ],
)
def test_a_full_disk_is_told_with_its_path_and_remedy(error, remedy):
    with pytest.raises(OSError, match=rf"cannot write a\.zarr: {remedy}.* and run the same command again"):
        fail(error)


def test_an_error_of_the_disk_keeps_its_kind_and_names_the_path(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / ".x-a.txt"))
    with pytest.raises(PermissionError, match=r"cannot write .*a\.txt: Permission denied"):
        write(tmp_path / "a.txt", then=error)
    assert names(tmp_path) == []


def test_an_error_that_is_not_of_the_disk_passes():
    with pytest.raises(ValueError, match=r"^something else$"):
        fail(ValueError("something else"))


def test_a_file_a_folder_and_a_link_are_removed_and_what_is_not_there_is_not_missed(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").touch()
    (tmp_path / "file").touch()
    for name in ("link", "folder", "file", "nothing"):
        remove(tmp_path / name)
    assert names(tmp_path) == ["kept"]
    assert names(tmp_path / "kept") == ["a"]
