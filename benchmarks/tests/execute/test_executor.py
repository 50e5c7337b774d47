import pytest

from mtneuro_suite.execute.executor import Executor, create_output
from mtneuro_suite.execute.slurm import Queue


def test_runs_go_to_one_place():
    with pytest.raises(ValueError, match=r"give only one of .*, got --workers and --scheduler"):
        Executor(workers=2, scheduler="tcp://127.0.0.1:8786")
    with pytest.raises(ValueError, match="workers must be 0 or more, got -1"):
        Executor(workers=-1)
    assert Executor(workers=0).processes(gpus=0) == 1


def test_certificates_without_a_scheduler_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"certificates of a --scheduler, got .* the suite's own workers"):
        Executor(workers=2, tls=tmp_path)


def test_slurm_without_sbatch_is_refused(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="sbatch on the PATH, found none"):
        Executor(queue=Queue())


def test_an_output_that_is_made_holds_nothing_but_its_folder(tmp_path):
    create_output(tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["runs"]
