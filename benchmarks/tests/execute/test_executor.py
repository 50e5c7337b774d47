import pytest

from mtneuro_suite.execute.executor import Place, check_output
from mtneuro_suite.execute.slurm import Queue


def test_runs_go_to_one_place():
    with pytest.raises(ValueError, match="give one of --workers and --scheduler"):
        Place(workers=2, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(ValueError, match="workers must be 0 or more, got -1"):
        Place(workers=-1)
    assert Place(workers=0).processes(gpus=0) == 1


def test_slurm_without_sbatch_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="sbatch, which is not on the PATH"):
        Place(queue=Queue())


def test_an_output_that_is_checked_is_left_as_it_was(tmp_path):
    check_output(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["runs"]
