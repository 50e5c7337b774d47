"""Each long command, killed at 8 moments of its work: the same files as without, and nothing left over."""

import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import builtin_task

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

KILLS = 8
_SMALL = "--set batch_size=4 --set device=cpu"
# --force, since a run may end before it is killed; what can go on does so all the same.
COMMANDS = {
    name: tuple(line.split())
    for name, line in {
        "export": "mtneuro-data export task.json --split train test -o OUT/images.npz --force",
        "volumes": "mtneuro-data export task.json --split test --format zarr -o OUT/cubes --force",
        "features": "mtneuro-probe features labels.npy --voxel-size-um 1 1 1 --workers 2 -o OUT/features.csv "
        "--force",
        "ssl-train": f"mtneuro-ssl train images.npy {_SMALL} --set steps=30 --set checkpoint_every=0 "
        "-o OUT/model",
        "embed": "mtneuro-ssl embed byol images.npy -o OUT/embeddings.npz --force",
        "map": "mtneuro-ssl map byol images.npy --window 16 16 --stride 4 4 -o OUT/map.zarr --force",
        "seg-train": f"mtneuro-seg train images.npy labels.npy {_SMALL} --set filters=4 --set epochs=2 "
        "--set checkpoint_every=1 -o OUT/model",
        "predict": "mtneuro-seg predict unet images.npy --window 16 16 -o OUT/labels.zarr --force",
    }.items()
}
TIMED = {"README.md", "config.json"}
"""Files of a model that tell when and how long."""


def started(arguments: tuple[str, ...], *, here: Path, out: str) -> "subprocess.Popen[bytes]":
    """Start a command in a folder, with a folder for temporary files of its own."""
    (here / out).mkdir(exist_ok=True)
    temporary = here / f"{out}-temporary"
    temporary.mkdir(exist_ok=True)
    program, *rest = (word.replace("OUT", out) for word in arguments)
    return subprocess.Popen(
        [Path(sys.executable).parent / program, *rest],
        cwd=here,
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finished(arguments: tuple[str, ...], *, here: Path, out: str) -> tuple[float, float]:
    """Run a command to its end; return the seconds until it first wrote a file, and until its end."""
    began, first = time.monotonic(), None
    process = started(arguments, here=here, out=out)
    while True:
        try:
            _, err = process.communicate(timeout=0.02)
            break
        except subprocess.TimeoutExpired:
            if first is None and any(path.is_file() for path in (here / out).rglob("*")):
                first = time.monotonic() - began
    assert process.returncode == 0, err.decode()
    seconds = time.monotonic() - began
    return first or seconds, seconds


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder; of those that tell the time, that they are there."""
    return {
        path.relative_to(folder).as_posix(): ""
        if path.name in TIMED
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the commands read."""
    folder = tmp_path_factory.mktemp("kills")
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 256, (24, 64, 64), dtype=np.uint8))
    np.save(folder / "labels.npy", rng.integers(0, 4, (24, 64, 64), dtype=np.uint8))
    task = builtin_task("seg-2d-4class").with_source("phantom").replaced(z_step=30)
    (folder / "task.json").write_text(task.model_dump_json())
    for command, name in (("ssl-train", "byol"), ("seg-train", "unet")):
        finished((*COMMANDS[command][:-1], name), here=folder, out="models")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    here: Path, command: str
) -> None:
    arguments = COMMANDS[command]
    first, last = finished(arguments, here=here, out=f"{command}-whole")
    draw, killed = random.Random(command), 0
    for part in range(KILLS):
        process = started(arguments, here=here, out=f"{command}-killed")
        # From shortly before it first writes to its end: until then it loads libraries, with nothing to lose.
        time.sleep(0.8 * first + (last - 0.8 * first) * (part + draw.random()) / KILLS)
        if process.poll() is None:
            process.kill()
            killed += 1
        process.communicate()
    assert killed >= KILLS // 4, "the kills must come in the middle to mean anything"
    finished(arguments, here=here, out=f"{command}-killed")
    assert contents(here / f"{command}-killed") == contents(here / f"{command}-whole")
    # torch keeps a cache of compiled code there.
    left = {path.name for path in (here / f"{command}-killed-temporary").iterdir()}
    assert not {name for name in left if not name.startswith("torchinductor_")}
