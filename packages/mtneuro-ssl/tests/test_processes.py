"""Two processes, each with a half of the batch, against one with the whole of it."""

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl.processes import Launch, launch
from safetensors.torch import load_file

# On CPUs the norms take the statistics that they have kept, since those of a half are not those of the whole;
# on GPUs they are synchronised. One GPU may serve both processes, by gloo; NCCL wants one each.
SCRIPT = textwrap.dedent("""
    import sys
    import numpy, torch
    from safetensors.torch import save_file
    from lightning.pytorch.plugins import TorchSyncBatchNorm
    from mtneuro_ssl import TrainSettings
    from mtneuro_ssl.training import new_method

    rank, count, folder, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    torch.set_num_threads(1)
    gpus = torch.cuda.device_count() if kind == "cuda" else 0
    device = torch.device(kind, rank % gpus) if gpus else torch.device(kind)
    if gpus:
        torch.cuda.set_device(device)
        torch.backends.cudnn.allow_tf32 = False
    if count > 1:
        torch.distributed.init_process_group(
            "nccl" if gpus >= count else "gloo", init_method=f"file://{folder}/meeting", rank=rank,
            world_size=count,
        )
    images = numpy.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=numpy.uint8)
    labels = numpy.arange(16) % 3
    deep = numpy.random.default_rng(0).integers(0, 256, (16, 4, 16, 16), dtype=numpy.uint8)
    runs = [(name, images) for name in ("supervised+mixup", "byol", "myow", "myow-m", "mae")]
    for name, given in [*runs, ("supervised+mixup", deep), ("myow-m", deep), ("mae", deep)]:
        kind_of = ("encoder" if gpus else "normless") + ("_3d" if given is deep else "")
        settings = TrainSettings(
            method=name, encoder="vit" if name == "mae" else "tiny_lab:" + kind_of, latent_dim=None,
            vit={"patch": 4, "patch_depth": 2, "width": 24, "layers": 1},
            batch_size=8, steps=10, hidden=16, projection=8, pool_size=8 if gpus else 12,
            mixup_probability=1, mined_rampup_fraction=0, mined_neighbours=2, device=kind,
        )
        method = new_method(given, settings, labels=labels)
        name += "-3d" if given is deep else ""
        if gpus and count > 1 and settings.method != "mae":
            method = TorchSyncBatchNorm().apply(method)
            assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in method.modules())
        method = method.to(device)
        for module in method.modules():
            if isinstance(module, torch.nn.BatchNorm1d) and not gpus:
                module.eval()
        method.step_logs(method.draw_at(3))["loss"].backward()
        found = {}
        for key, parameter in method.named_parameters():
            if parameter.grad is not None:
                if count > 1:
                    torch.distributed.all_reduce(parameter.grad)
                found[key] = parameter.grad.cpu() / count
        if rank == 0:
            save_file(found, f"{folder}/{name}-{count}.safetensors")
    if count > 1:
        torch.distributed.destroy_process_group()
""")


def gradients_on(kind: str, folder: Path, *, lab: Path) -> Path:
    environment = os.environ | {"PYTHONPATH": str(lab), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(rank), str(count), str(folder), kind], env=environment
        )
        for rank, count in ((0, 1), (0, 2), (1, 2))
    ]
    assert [child.wait(280) for child in children] == [0, 0, 0]
    return folder


def assert_same_gradients(folder: Path, name: str, *, within: float) -> None:
    one, two = (load_file(folder / f"{name}-{count}.safetensors") for count in (1, 2))
    assert one.keys() == two.keys()
    norm = np.sqrt(sum(float(part.square().sum()) for part in one.values()))
    assert norm > 1e-4
    for key, part in one.items():
        assert (part - two[key]).norm() <= within * norm, key


@pytest.fixture(scope="module")
def gradients(tmp_path_factory: pytest.TempPathFactory, lab: Path) -> Path:
    return gradients_on("cpu", tmp_path_factory.mktemp("processes"), lab=lab)


NAMES = ["supervised+mixup", "byol", "myow", "myow-m", "mae", "supervised+mixup-3d", "myow-m-3d", "mae-3d"]


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_have_the_gradients_of_one(name, gradients):
    assert_same_gradients(gradients, name, within=1e-5)


@pytest.fixture(scope="module")
def gpu_gradients(tmp_path_factory: pytest.TempPathFactory, lab: Path) -> Path:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    return gradients_on("cuda", tmp_path_factory.mktemp("gpus"), lab=lab)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_with_synchronised_norms_have_the_gradients_of_one(name, gpu_gradients):
    assert_same_gradients(gpu_gradients, name, within=1e-4)


RUN = textwrap.dedent("""
    import sys
    import numpy, torch
    from mtneuro_ssl import TrainSettings, train

    torch.set_num_threads(1)
    images = numpy.random.default_rng(0).integers(0, 256, (16, 16, 16), dtype=numpy.uint8)
    settings = TrainSettings(
        method="myow", encoder=sys.argv[3], latent_dim=None, batch_size=8, steps=6, hidden=16,
        projection=8, device=sys.argv[4], checkpoint_every=0,
    )

    def progress(done, total):
        if done == int(sys.argv[2]):
            raise RuntimeError("interrupted")

    train(images, settings, out=sys.argv[1], progress=progress)
""")


def run_together(
    out: Path, *, lab: Path, stop: int = 0, encoder: str = "tiny_lab:normless", device: str = "cpu",
    processes: int = 2,
) -> int:  # fmt: skip
    script = lab / "together.py"
    script.write_text(RUN)
    environment = os.environ | {"PYTHONPATH": str(lab), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(processes),
        "--master-addr",
        "127.0.0.1",
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        command += ["--master-port", str(free.getsockname()[1])]
    return subprocess.run(
        [*command, str(script), str(out), str(stop), encoder, device], env=environment, check=False
    ).returncode


@pytest.mark.slow
def test_processes_that_are_started_together_train_resume_and_leave_one_model(tmp_path, lab):
    assert run_together(tmp_path / "parts", stop=3, lab=lab) != 0
    assert not (tmp_path / "parts").exists()
    assert run_together(tmp_path / "parts", lab=lab) == 0
    assert run_together(tmp_path / "whole", lab=lab) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts", "whole"]
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.gpu
def test_two_gpus_learn_what_one_does(tmp_path, lab):
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    for processes in (1, 2):
        out = tmp_path / str(processes)
        ran = run_together(out, lab=lab, encoder="tiny_lab:encoder", device="cuda", processes=processes)
        assert ran == 0
    one, two = (load_file(tmp_path / count / "model.safetensors") for count in ("1", "2"))
    for key, part in one.items():
        np.testing.assert_allclose(two[key], part, rtol=1e-3, atol=1e-4, err_msg=key)


def test_another_launchers_variables_are_not_read(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launch() == Launch()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    assert launch() == Launch(rank=3, count=4, local_count=2)
    assert not launch().first
