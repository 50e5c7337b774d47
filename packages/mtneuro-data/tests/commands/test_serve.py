import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mtneuro_data import TaskSpec
from mtneuro_data.preview import contact_sheet
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
    assert lines[3].startswith("https://neuroglancer")
    with Image.open(tmp_path / "sheet.png") as picture:
        drawn = np.asarray(picture)
    np.testing.assert_array_equal(drawn, contact_sheet(task.with_source(f"phantom{query}")))
