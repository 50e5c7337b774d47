"""Two processes, each with a half of the batch, against one with the whole of it."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.checks import check_run
from mtneuro_ssl.processes import Launch, launch
from safetensors.torch import load_file

SCRIPT = textwrap.dedent("""
    import sys
    import numpy, torch
    from safetensors.torch import save_file
    from mtneuro_ssl import TrainSettings
    from mtneuro_ssl.training import new_method

    rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    if count > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count
        )
    images = numpy.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=numpy.uint8)
    labels = numpy.arange(16) % 3
    for name in ("supervised+mixup", "byol", "myow", "myow-m"):
        settings = TrainSettings(
            method=name, encoder="tiny_lab:normless", latent_dim=None, batch_size=8, steps=10, hidden=16,
            projection=8, pool_size=12, mixup_probability=1, mined_rampup_fraction=0, mined_neighbours=2,
            device="cpu",
        )
        method = new_method(images, settings, labels=labels)
        for module in method.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.eval()  # statistics of a half are not those of the whole
        method.step_logs(method.draw_at(3))["loss"].backward()
        found = {}
        for key, parameter in method.named_parameters():
            if parameter.grad is not None:
                if count > 1:
                    torch.distributed.all_reduce(parameter.grad)
                found[key] = parameter.grad / count
        if rank == 0:
            save_file(found, f"{folder}/{name}-{count}.safetensors")
    if count > 1:
        torch.distributed.destroy_process_group()
""")


@pytest.fixture(scope="module")
def gradients(tmp_path_factory: pytest.TempPathFactory, lab: Path) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    environment = os.environ | {"PYTHONPATH": str(lab), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(rank), str(count), str(folder)], env=environment)
        for rank, count in ((0, 1), (0, 2), (1, 2))
    ]
    assert [child.wait(280) for child in children] == [0, 0, 0]
    return folder


@pytest.mark.parametrize("name", ["supervised+mixup", "byol", "myow", "myow-m"])
def test_two_processes_have_the_gradients_of_one(name, gradients):
    one, two = (load_file(gradients / f"{name}-{count}.safetensors") for count in (1, 2))
    assert one.keys() == two.keys()
    norm = np.sqrt(sum(float(part.square().sum()) for part in one.values()))
    assert norm > 1e-4
    for key, part in one.items():
        assert (part - two[key]).norm() <= 1e-5 * norm, key


RUN = textwrap.dedent("""
    import sys
    import numpy, torch
    from mtneuro_ssl import TrainSettings, train

    torch.set_num_threads(1)
    images = numpy.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=numpy.uint8)
    settings = TrainSettings(
        method="myow", encoder="tiny_lab:normless", latent_dim=None, batch_size=8, steps=6, hidden=16,
        projection=8, device="cpu", checkpoint_every=0,
    )

    def progress(done, total):
        if done == int(sys.argv[2]):
            raise RuntimeError("interrupted")

    train(images, settings, out=sys.argv[1], progress=progress)
""")


def run_together(out: Path, *, stop: int, lab: Path) -> int:
    script = lab / "together.py"
    script.write_text(RUN)
    environment = os.environ | {"PYTHONPATH": str(lab), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-addr",
        "127.0.0.1",
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        command += ["--master-port", str(free.getsockname()[1])]
    return subprocess.run(
        [*command, str(script), str(out), str(stop)], env=environment, check=False
    ).returncode


@pytest.mark.slow
def test_processes_that_are_started_together_train_resume_and_leave_one_model(tmp_path, lab):
    assert run_together(tmp_path / "parts", stop=3, lab=lab) != 0
    assert not (tmp_path / "parts").exists()
    assert run_together(tmp_path / "parts", stop=0, lab=lab) == 0
    assert run_together(tmp_path / "whole", stop=0, lab=lab) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_launchers_variables_are_not_read(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launch() == Launch()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert launch() == Launch(rank=3, count=4, local_count=2)
    assert not launch().first


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 6}, "must divide by the number of processes, 4, got 6 and 6"),
        ({"batch_size": 8, "pool_size": 10}, "got 8 and 10"),
        ({"method": "pca"}, "'pca' needs no more than 1 process, got 4"),
    ],
)
def test_what_cannot_be_shared_is_refused(changes, message, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=np.uint8)
    for name, value in (
        ("RANK", "0"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_WORLD_SIZE", "4"),
        ("TORCHELASTIC_RUN_ID", "x"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        check_run(images, TrainSettings.model_validate({"method": "myow"} | changes))
