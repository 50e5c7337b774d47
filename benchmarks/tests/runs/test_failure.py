import errno

import pytest

from mtneuro_suite.runs.failure import (
    TRACEBACK_LINES,
    forget,
    no_room,
    note_of,
    of_surroundings,
    read_note,
    reason_of,
    write_note,
)
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Umap


@pytest.fixture
def run() -> Run:
    return Run(step=Umap(model="byol", neighbours=9, seed=1), title="UMAP")


def raised(error: BaseException, *, cause: BaseException | None = None) -> BaseException:
    """Return an error as it is when it has been raised, with a traceback."""
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_a_note_is_read_back_until_it_is_forgotten(tmp_path, run):
    store = Store(tmp_path)
    (tmp_path / "runs").mkdir()
    assert read_note(store, run) is None
    note = note_of(run, raised(ValueError("no such cube")))
    write_note(store, run, note)
    assert read_note(store, run) == note
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [f"{run.id}.failed.json"]
    forget(store, run)
    assert read_note(store, run) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"reason": "x"}'])
def test_a_damaged_note_is_none(tmp_path, run, text):
    store = Store(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / f"{run.id}.failed.json").write_text(text)
    assert read_note(store, run) is None


def test_a_note_keeps_the_end_of_a_long_traceback(run):
    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        raise ValueError("\n".join(f"line {i}" for i in range(100)))

    with pytest.raises(ValueError) as caught:
        deep(3)
    lines = note_of(run, caught.value).traceback.splitlines()
    assert len(lines) == TRACEBACK_LINES
    assert lines[-1] == "line 99"


def test_a_reason_given_by_the_one_who_saw_the_run_end_goes_before_the_errors_own(run):
    note = note_of(run, ValueError("killed"), reason="its worker was lost")
    assert note.reason == "its worker was lost"
    assert note.of_surroundings


@pytest.mark.parametrize(
    ("error", "at_fault"),
    [
        (ValueError("x"), False),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:1] . can't allocate memory: 8 bytes"), True),
        (RuntimeError("PytorchStreamWriter failed writing file data/1"), True),
        (raised(ValueError("cannot write x"), cause=OSError("disk away")), True),
        (raised(ValueError("bad"), cause=KeyError("x")), False),
    ],
)
def test_the_surroundings_are_at_fault_where_an_error_or_its_cause_is_of_memory_disk_or_network(
    error, at_fault
):
    assert of_surroundings(error) is at_fault


def test_an_error_that_was_hidden_on_purpose_is_no_cause():
    with pytest.raises(ValueError) as caught:  # noqa: PT012
        try:
            raise OSError("first")
        except OSError:
            raise ValueError("second") from None
    assert not of_surroundings(caught.value)


def test_no_room_is_a_full_or_read_only_disk_and_not_a_missing_file():
    assert no_room(OSError(errno.ENOSPC, "full"))
    assert no_room(raised(RuntimeError("x"), cause=OSError(errno.EROFS, "read-only")))
    assert not no_room(FileNotFoundError(errno.ENOENT, "absent"))


def test_memory_that_torch_could_not_get_is_told_with_what_to_change():
    told = reason_of(RuntimeError("can't allocate memory:\nyou tried to allocate 8 bytes"))
    assert told.startswith("out of memory (can't allocate memory: you tried to allocate 8 bytes); use fewer")
