"""A prediction as a job: its rows of shards, and when it may finish."""

from pathlib import Path

import pytest
from mtneuro_seg import SweepSettings
from mtneuro_seg.volume.job import VolumeJob


@pytest.fixture
def job(tmp_path: Path) -> VolumeJob:
    (tmp_path / "labels.zarr.partial" / "done").mkdir(parents=True)
    return VolumeJob(
        out=tmp_path / "labels.zarr",
        probabilities=None,
        sweep=SweepSettings(),
        shape=(20, 24, 24),
        shard_depth=8,
        threads=1,
    )


def test_rows_cover_all_slices_once(job):
    assert [z for row in job.rows() for z in job.slices(row)] == list(range(20))


def test_a_row_that_is_ticked_off_is_not_missing(job):
    job.tick_off(1)
    assert job.missing() == [0, 2]


def test_a_job_with_missing_rows_is_not_finished(job):
    job.tick(0).touch()
    with pytest.raises(ValueError, match="must be done, got 2 missing, the first 1"):
        job.finish()
    assert job.partial.is_dir()


def test_what_is_done_so_far_lies_where_a_link_leads(job, tmp_path):
    (tmp_path / "labels.zarr").symlink_to(tmp_path / "disk" / "a")
    assert job.partial == tmp_path / "disk" / "a.partial"
