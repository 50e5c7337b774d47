import pytest

from mtneuro_suite.execute.executor import Executor, create_output, mps_is_there
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


@pytest.mark.parametrize(
    ("asked", "cuda", "mac", "found"),
    [
        ("auto", 2, True, ("cuda", 2)),
        ("auto", 0, True, ("mps", 1)),
        ("auto", 0, False, ("cpu", 0)),
        ("cpu", 2, True, ("cpu", 0)),
        ("mps", 2, True, ("mps", 1)),
    ],
)
def test_auto_takes_cuda_before_a_macs_gpu_before_the_cpu(monkeypatch, asked, cuda, mac, found):
    monkeypatch.setattr("mtneuro_suite.execute.executor.cuda_devices", lambda: cuda)
    monkeypatch.setattr("mtneuro_suite.execute.executor.mps_is_there", lambda: mac)
    assert Executor().device(asked) == found


def test_a_gpu_that_is_not_there_is_refused_and_no_other_taken(monkeypatch):
    monkeypatch.setattr("mtneuro_suite.execute.executor.cuda_devices", lambda: 0)
    monkeypatch.setattr("mtneuro_suite.execute.executor.mps_is_there", lambda: True)
    with pytest.raises(ValueError, match="device cuda needs a GPU where the runs go"):
        Executor().device("cuda")
    monkeypatch.setattr("mtneuro_suite.execute.executor.mps_is_there", lambda: False)
    with pytest.raises(ValueError, match="device mps needs the GPU of a Mac, this one"):
        Executor().device("mps")


def test_a_macs_gpu_is_of_no_other_machine(monkeypatch):
    monkeypatch.setattr("mtneuro_suite.execute.executor.mps_is_there", lambda: True)
    assert not Executor(scheduler="tls://127.0.0.1:9").mps


def test_torch_is_asked_for_a_macs_gpu_on_a_mac_alone(monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    monkeypatch.setattr("sys.platform", "linux")
    assert not mps_is_there()
    monkeypatch.setattr("sys.platform", "darwin")
    assert mps_is_there()
