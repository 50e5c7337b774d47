import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data import Cube, SplitPart, TaskSpec, open_volume, read_task
from mtneuro_data.cli import main
from mtneuro_data.preview import contact_sheet
from PIL import Image


class Shell:
    """Runs the command line and gives its status and what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch = monkeypatch
        self.capsys = capsys

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["mtneuro-data", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        printed = self.capsys.readouterr()
        return status, printed.out, printed.err


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    monkeypatch.setenv("MTNEURO_CACHE", str(tmp_path / "cache"))
    return Shell(monkeypatch, capsys)


@pytest.fixture
def task_file(task: TaskSpec, tmp_path: Path) -> Path:
    path = tmp_path / "small.json"
    path.write_text(task.model_dump_json())
    return path


@pytest.mark.parametrize(
    "verb",
    [
        [], ["tasks"], ["info"], ["fetch"], ["preview"], ["export"], ["cutout"], ["correlation"],
        ["interpolate"], ["doctor"], ["serve"], ["cache"],
    ],
)  # fmt: skip
def test_help_teaches(shell: Shell, verb: list[str]) -> None:
    status, out, _ = shell(*verb, "--help")
    assert status == 0
    assert verb in ([], ["cache"]) or f"mtneuro-data {verb[0]}" in out.replace("\n", " ")


def test_tasks_are_listed_and_shown(shell: Shell, tmp_path: Path) -> None:
    status, out, _ = shell("tasks")
    assert (status, len(out.splitlines())) == (0, 8)
    _, out, _ = shell("tasks", "roi-c1", "--source", "phantom")
    shown = json.loads(out)
    assert shown["counts"] == {"train": 1080, "val": 120, "test": 200}
    assert shown["image"] == "phantom://image"


def test_a_shown_task_is_a_task_file(shell: Shell, tmp_path: Path) -> None:
    _, out, _ = shell("tasks", "seg-2d-3class")
    values = json.loads(out)
    for key in ("counts", "touching", "fingerprint"):
        del values[key]
    (tmp_path / "own.json").write_text(json.dumps(values))
    assert read_task(tmp_path / "own.json").name == "seg-2d-3class"


def test_info_describes_a_volume(shell: Shell, boss: Any) -> None:
    status, out, _ = shell("info", "bossdb://lab/scan/image")
    assert status == 0
    assert "40 x 150 x 200" in out
    assert "1 x 1 x 1 um" in out


def test_info_of_a_paper_task_cites_its_data_and_says_what_it_is_not_for(shell: Shell) -> None:
    status, out, _ = shell("info", "roi-c1")
    assert status == 0
    for words in ("Prasad et al. 2020", "CC BY 4.0", "Quesada et al. 2022", "not for        clinical use"):
        assert words in out
    assert "Prasad" not in shell("info", "roi-c1", "--source", "phantom")[1]


def test_fetch_then_export_then_the_cache(shell: Shell, boss: Any, task: TaskSpec, tmp_path: Path) -> None:
    remote = task.with_source(
        {"image": "bossdb://lab/scan/image", "pixel_labels": "bossdb://lab/scan/labels"}
    )
    (tmp_path / "t.json").write_text(remote.model_dump_json())
    status, out, _ = shell("fetch", tmp_path / "t.json", "--split", "test")
    assert (status, out.split()[0]) == (0, "55,296")
    status, out, _ = shell(
        "export",
        tmp_path / "t.json",
        "--split",
        "test",
        "--downsample",
        "2",
        "--corners",
        "-o",
        tmp_path / "a.npz",
    )
    assert (status, out.split()[0]) == (0, "72")
    with np.load(tmp_path / "a.npz") as file:
        assert file["masks"].shape == (72, 8, 12)
    _, out, _ = shell("cache", "list")
    assert out.splitlines()[-1].startswith("2 channels")
    status, out, _ = shell("cache", "verify")
    assert (status, out) == (0, "0 damaged chunks\n")
    chunk = next(path for path in (tmp_path / "cache").rglob("c/*/*/*") if path.is_file())
    chunk.write_bytes(b"")
    status, out, _ = shell("cache", "verify")
    assert (status, out.splitlines()[0]) == (1, str(chunk))
    assert shell("cache", "clear", "bossdb://lab/scan/image")[1].startswith("1 channels removed")
    assert shell("cache", "clear")[1].startswith("1 channels removed")


@pytest.mark.parametrize("kind", ["tif", "zarr", "nii.gz"])
def test_export_writes_a_volume_a_cube_that_reads_back(
    shell: Shell, task_file: Path, labels: np.ndarray, volume: np.ndarray, tmp_path: Path, kind: str
) -> None:
    folder = tmp_path / "out"
    status, out, _ = shell("export", task_file, "--split", "val", "test", "--format", kind, "-o", folder)
    assert (status, out) == (0, f"8 volumes written to {folder}\n")
    image = open_volume(folder / f"test-A-STR-z24-image.{kind}")
    np.testing.assert_array_equal(image[:, :, :], volume[24:33, 100:132, 120:168])
    corrected = open_volume(folder / f"val-A-CTX-z10-labels.{kind}")
    assert corrected.dtype == np.uint8
    np.testing.assert_array_equal(corrected[:, :, :], labels[10:14, 4:36, 8:56])


def test_a_task_file_whose_cubes_touch_is_one_line_of_warning(
    shell: Shell, task: TaskSpec, tmp_path: Path
) -> None:
    cubes = {**task.cubes, "B-CTX": Cube(region="CTX", y=(4, 36), x=(56, 104))}
    parts = {
        name: (SplitPart(cubes=(cube,), z=(0, 2)),) for name, cube in (("train", "A-CTX"), ("test", "B-CTX"))
    }
    path = tmp_path / "touching.json"
    path.write_text(task.replaced(cubes=cubes, splits=parts).model_dump_json())
    status, _, err = shell("tasks", path)
    assert (status, err.count("\n")) == (0, 1)
    assert err.startswith("mtneuro-data: warning: ")
    assert shell("tasks", "roi-c3")[2] == ""


def test_preview_draws_a_png(shell: Shell, task_file: Path, tmp_path: Path) -> None:
    status, out, _ = shell("preview", task_file, "-o", tmp_path / "sheet.png")
    assert (status, out) == (0, f"2 cubes written to {tmp_path / 'sheet.png'}\n")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.size == (210, 58)


def test_info_counts_a_tasks_classes(shell: Shell, task_file: Path, labels: np.ndarray) -> None:
    status, out, _ = shell("info", task_file)
    assert status == 0
    vessels = (labels[24:33, 4:36, 8:56] == 1).mean()
    assert "test     CTX   background" in out
    assert f"vessel {vessels:.2%}" in out


def test_a_cutout_is_written_and_read_back(shell: Shell, task: TaskSpec, tmp_path: Path) -> None:
    arguments = ["--z", "3:9", "--y", "10:60", "--labels", "-o", tmp_path / "box.nii.gz"]
    status, out, _ = shell("cutout", task.annotation, *arguments)
    assert (status, out.split(" uint64")[0]) == (0, "6 x 50 x 200")
    assert shell("info", tmp_path / "box.nii.gz")[0] == 0


def test_a_papers_cube_is_cut_by_its_name(shell: Shell, tmp_path: Path) -> None:
    arguments = ["--cube", "A-CTX", "--z", "159:160", "-o", tmp_path / "ctx.tif"]
    status, out, _ = shell("cutout", "phantom://roi_labels", *arguments)
    assert (status, out.split(" uint8")[0]) == (0, "1 x 256 x 256")


def test_correlation_says_the_gap(shell: Shell, task_file: Path, tmp_path: Path) -> None:
    status, out, _ = shell("correlation", task_file, "-o", tmp_path / "a.png")
    assert status == 0
    assert out.splitlines()[-1] == "leave 0 slices between train and test; the task leaves 10"
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_interpolation_fills_a_label_file(shell: Shell, tmp_path: Path) -> None:
    labels = np.zeros((9, 8, 8), np.uint8)
    labels[0, :, :2] = 1
    labels[8, :, :6] = 1
    np.save(tmp_path / "sparse.npy", labels)
    status, out, _ = shell(
        "interpolate", tmp_path / "sparse.npy", "--slices", "0", "8", "-o", tmp_path / "a.npy"
    )
    assert (status, "0.00% undecided" in out) == (0, True)
    assert np.load(tmp_path / "a.npy")[4, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_the_doctor_fails_without_a_network(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERN_HOST", "127.0.0.1:9")
    monkeypatch.setenv("INTERN_PROTOCOL", "http")
    status, out, _ = shell("doctor")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "FAIL"]


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


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["tasks", "roi-c9"], "got 'roi-c9'; did you mean 'roi-c3'?"),
        (["info", "absent.npy"], "no file or folder at absent.npy"),
        (["info", "bossdb://x"], "a database URI is"),
        (["fetch", "absent.json"], "absent.json"),
        (["fetch", "roi-c1", "--split", "trian"], "got 'trian'; did you mean 'train'?"),
        (["fetch", "roi-c1", "--source", "bosdb"], "did you mean 'bossdb'"),
        (
            ["export", "roi-c1", "--split", "test", "-o", "a.tif"],
            "must be written to a .npz, got 'a.tif'",
        ),
        (["export", "roi-c1", "--split", "test", "--z-step", "0", "-o", "a.npz"], "z_step"),
        (["export", "roi-c1", "--split", "test", "--downsample", "3", "-o", "a.npz"], "downsample"),
        (
            ["export", "roi-c1", "--split", "test", "--format", "tif", "-o", "a.tif"],
            "must be a folder's name",
        ),
        (
            ["export", "roi-c1", "--split", "test", "--format", "tif", "--corners", "-o", "a"],
            "--format writes whole cubes",
        ),
        (["preview", "roi-c1"], "output"),
        (["previw"], "previw"),
        (["cutout", "phantom://image", "-o", "a.png"], "a volume must be written to a .npy, .npz, .tif"),
        (["cutout", "phantom://image", "--z", "5", "-o", "a.npy"], "--z must be first:end"),
        (
            ["cutout", "phantom://image", "--z", "5:999", "-o", "a.npy"],
            "first < end <= 720, got '5:999'",
        ),
        (["cutout", "phantom://image", "--cube", "A-CTZ", "-o", "a.npy"], "did you mean 'A-CTX'"),
        (["cutout", "phantom://image", "--cube", "A-CTX", "--y", "1:2", "-o", "a.npy"], "got both"),
        (
            ["interpolate", "phantom://image", "--slices", "0", "900", "-o", "a.npy"],
            "--slices must lie within",
        ),
        (["correlation", "roi-c1", "-o", "a.pdf"], "a picture must be written to a .png, got 'a.pdf'"),
        (["serve", "phantom://image"], "a channel is given as collection/experiment/channel=URI"),
        (["serve", "--port", "99999"], "port must lie within [0, 65536), got 99999"),
        (["serve", "a/b=phantom://image"], "a channel is named collection/experiment/channel"),
        (["cache", "clear", "bossdb://a/b/c"], "holds nothing of bossdb://a/b/c"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(shell: Shell, arguments: list[str], text: str) -> None:
    status, out, err = shell(*arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("mtneuro-data: error: ")
    assert err.count("\n") == 1
    assert text in err


def test_a_traceback_is_shown_on_request(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTNEURO_TRACEBACK", "1")
    with pytest.raises(ValueError, match="the task must be one of"):
        shell("tasks", "roi-c9")


def test_an_interrupt_is_one_line_and_status_130(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mtneuro_data.paper.task_names", interrupted)
    status, _, err = shell("tasks")
    assert (status, err.count("\n")) == (130, 1)
