"""The memory at hand, and the refusal of what claims more."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from mtneuro_data._shared import bounds
from mtneuro_data._shared.bounds import MemoryBoundError, check_file, check_memory, memory_at_hand


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write the files of a system; give a function that does it."""
    monkeypatch.setattr(bounds, "_PROC", tmp_path / "proc")
    monkeypatch.setattr(bounds, "_CGROUPS", tmp_path / "groups")

    def written(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return written


def test_without_limits_it_is_what_the_system_can_give(system):
    system(proc__meminfo="MemTotal:  100 kB\nMemAvailable:  70 kB\n")
    assert memory_at_hand() == 70 * 1024


def test_where_the_system_says_nothing_there_is_no_bound(system):
    assert memory_at_hand() is None
    check_memory("anything", 1 << 80)


def test_the_nearest_limit_of_the_groups_counts(system):
    system(
        proc__meminfo="MemAvailable: 1000000 kB\n",
        proc__self__cgroup="0::/job/step\n",
        groups__job__step__memory_dot_max="max\n",
        groups__job__step__memory_dot_current="5000\n",
        groups__job__memory_dot_max="9000\n",
        groups__job__memory_dot_current="7000\n",
        groups__job__memory_dot_stat="anon 4000\ninactive_file 1500\n",
    )
    assert memory_at_hand() == 9000 - (7000 - 1500)


def test_groups_of_the_first_version_count_too(system):
    system(
        proc__meminfo="MemAvailable: 1000000 kB\n",
        proc__self__cgroup="5:cpu:/\n4:memory:/job\n",
        groups__memory__job__memory_dot_limit_in_bytes="9000\n",
        groups__memory__job__memory_dot_usage_in_bytes="7000\n",
    )
    assert memory_at_hand() == 2000


def test_the_limit_of_a_container_that_sees_its_group_as_the_root_counts(system):
    system(
        proc__meminfo="MemAvailable: 1000000 kB\n",
        proc__self__cgroup="0::/../../elsewhere\n",
        groups__memory_dot_max="9000\n",
        groups__memory_dot_current="12000\n",
    )
    assert memory_at_hand() == 0


def test_what_needs_more_is_refused_with_both_sizes(system):
    system(proc__meminfo="MemAvailable: 1000000 kB\n")
    check_memory("a volume", 1_000_000_000)
    with pytest.raises(
        MemoryBoundError, match=r"a volume must fit into memory, got 10\.0 GB of 1\.0 GB at hand; sell it"
    ):
        check_memory("a volume", 10_000_000_000, remedy="sell it")


def test_little_is_never_refused(system):
    system(proc__meminfo="MemAvailable: 1 kB\n")
    check_memory("an image", 1 << 20)


def test_a_file_counts_with_what_it_unpacks_to(system, tmp_path):
    system(proc__meminfo="MemAvailable: 100000 kB\n")
    with ZipFile(tmp_path / "a.zip", "w", ZIP_DEFLATED) as packed:
        packed.writestr("zeros", bytes(110_000_000))
    with pytest.raises(MemoryBoundError, match=r"a\.zip must fit into memory, got 110 MB of 102 MB at hand"):
        check_file(tmp_path / "a.zip")


def test_a_file_of_holes_counts_with_its_length(system, tmp_path):
    system(proc__meminfo="MemAvailable: 100000 kB\n")
    with (tmp_path / "a.json").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(MemoryBoundError, match=r"must fit into memory, got 10\.0 GB of 102 MB at hand"):
        check_file(tmp_path / "a.json")
