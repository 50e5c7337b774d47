import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import TaskSpec
from mtneuro_data.preview import contact_sheet
from mtneuro_data.serving import VolumeServer
from PIL import Image


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
@pytest.mark.timeout(120)
def test_a_served_phantom_is_fetched_and_previewed_by_the_same_command_line(
    task: TaskSpec, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", "from mtneuro_data.cli import main; main()"]
    query = "?shape=40,150,200"
    channels = [f"lab/scan/{name}=phantom://{name}{query}" for name in ("image", "pixel_labels")]
    remote = task.with_source({name: f"bossdb://lab/scan/{name}" for name in ("image", "pixel_labels")})
    (tmp_path / "remote.json").write_text(remote.model_dump_json())
    serving = [*command, "serve", *channels, "--port", "0"]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        lines = [server.stdout.readline() for _ in range(4)]
        settings = dict(part.split("=") for part in lines[2].split()[1:])
        environment = {**os.environ, **settings, "MTNEURO_CACHE": str(tmp_path / "cache")}

        def run(*arguments: str) -> str:
            done = [*command, *arguments]
            return subprocess.run(
                done, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout

        assert run("fetch", "remote.json").startswith("141,312 voxels of small written to ")
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0
        # The server is gone: the picture comes from what was fetched.
        assert run("preview", "remote.json", "-o", "sheet.png") == "2 cubes written to sheet.png\n"
    assert [line.split()[-1] for line in lines[:2]] == ["image", "annotation"]
    assert lines[3].endswith("serve with --allow-origin https://neuroglancer-demo.appspot.com\n")
    with Image.open(tmp_path / "sheet.png") as picture:
        drawn = np.asarray(picture)
    np.testing.assert_array_equal(drawn, contact_sheet(task.with_source(f"phantom{query}")))


def test_served_channels_are_told_with_their_kind_and_the_viewer_with_its_origin(
    tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(VolumeServer, "serve_forever", lambda server: seen.append(server.service))
    np.save(tmp_path / "em.npy", np.zeros((2, 8, 8), np.uint16))
    channels = [f"lab/scan/{name}={tmp_path / 'em.npy'}" for name in ("em", "cells")]
    page = "https://neuroglancer-demo.appspot.com"
    status, told, _ = shell(
        "serve", *channels, "--port", 0, "--annotation", "lab/scan/cells", "--voxel-size", 0.04, 0.004, 0.004,
        "--allow-origin", page,
    )  # fmt: skip
    assert status == 0
    lines = told.splitlines()
    assert lines[0].endswith("  image (if it holds labels: --annotation lab/scan/em)")
    assert lines[1].endswith("  annotation")
    assert lines[3].startswith(f"{page}/#!")
    (service,) = seen
    assert service.origins == {page}
    assert service.token is None
    assert service.catalogue.voxel_size_um("lab/scan/em") == (0.04, 0.004, 0.004)


def test_a_writable_server_has_a_token(tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VolumeServer, "serve_forever", lambda _: None)
    np.save(tmp_path / "em.npy", np.zeros((2, 8, 8), np.uint8))
    tokens: list[str] = []
    for given in ((), (), ("--token", "secret")):
        channel = f"lab/scan/em={tmp_path / 'em.npy'}"
        _, told, _ = shell("serve", channel, "--port", 0, "--writable", *given)
        tokens.append(told.splitlines()[1].partition(" INTERN_TOKEN=")[2])
    assert tokens[2] == "secret"
    assert len({*tokens}) == 3
    assert all(len(token) >= 20 for token in tokens[:2])


@pytest.mark.parametrize(
    ("options", "warned"),
    [(("--host", "0.0.0.0"), True), (("--host", "0.0.0.0", "--token", "secret"), False), ((), False)],
)
def test_a_server_that_other_machines_reach_says_so_if_it_asks_for_no_token(
    tmp_path: Path, shell: Any, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], warned: bool
) -> None:
    monkeypatch.setattr(VolumeServer, "serve_forever", lambda _: None)
    np.save(tmp_path / "em.npy", np.zeros((2, 8, 8), np.uint8))
    status, _, said = shell("serve", f"lab/scan/em={tmp_path / 'em.npy'}", "--port", 0, *options)
    assert status == 0
    assert ("may read the channels; --token restricts them" in said) == warned


def test_a_wrong_origin_is_refused_in_one_line(shell: Any) -> None:
    status, _, said = shell("serve", "--port", 0, "--allow-origin", "*")
    assert status == 2
    assert "an origin must be scheme://host[:port], as a browser names it, got '*'" in said
