import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl import cli

HEAVY = ("torch", "lightning", "lightly", "sklearn", "timm", "zarr", "rich.progress")
TINY = ["steps=2", "batch_size=4", "hidden=8", "projection=4", "latent_dim=6", "components=3", "device=cpu"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "images.npz",
        format_version=1,
        images=rng.integers(0, 256, (8, 16, 16), dtype=np.uint8),
        region=np.arange(8) % 2,
        region_names=np.array(["CTX", "STR"]),
        sample_id=np.array([f"A-CTX/z{110 + i}" for i in range(8)]),
    )
    return tmp_path / "images.npz"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object, status: int = 0) -> None:
    monkeypatch.setattr(sys, "argv", ["mtneuro-ssl", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == status


def tiny(*more: str) -> list[str]:
    return [part for change in (*TINY, *more) for part in ("--set", change)]


def test_train_then_embed_writes_the_embeddings_file(volume, tmp_path, monkeypatch, capsys):
    run(monkeypatch, "train", volume, "--method", "byol", "-o", tmp_path / "byol", *tiny())
    run(monkeypatch, "embed", tmp_path / "byol", volume, "-o", tmp_path / "whole.npz")
    run(monkeypatch, "embed", tmp_path / "byol", volume, "-o", tmp_path / "corners.npz", "--corners")
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as whole:
        assert sorted(whole.files) == ["embeddings", "format_version", "sample_id"]
        assert whole["embeddings"].shape == (8, 6)
        assert whole["embeddings"].dtype == np.float32
        assert whole["sample_id"][0] == "A-CTX/z110"
        assert whole["format_version"] == 1
    with np.load(tmp_path / "corners.npz", allow_pickle=False) as corners:
        assert corners["embeddings"].shape == (32, 6)
        assert corners["sample_id"][:2].tolist() == ["A-CTX/z110/tl", "A-CTX/z110/tr"]
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"model of 6 features written to {tmp_path / 'byol'}",
        f"8 embeddings of 6 features written to {tmp_path / 'whole.npz'}",
        f"32 embeddings of 6 features written to {tmp_path / 'corners.npz'}",
    ]


def test_supervised_training_takes_labels_from_the_export_or_a_file(volume, tmp_path, monkeypatch):
    from mtneuro_ssl import load_model

    run(monkeypatch, "train", volume, "--method", "supervised", "-o", tmp_path / "own", *tiny())
    assert load_model(tmp_path / "own").classes == ("CTX", "STR")
    np.save(tmp_path / "labels.npy", np.arange(8) % 3)
    run(
        monkeypatch, "train", volume, "--method", "supervised", "--labels", tmp_path / "labels.npy",
        "-o", tmp_path / "given", *tiny(),
    )  # fmt: skip
    assert load_model(tmp_path / "given").classes is None


def test_settings_on_the_line_go_before_those_in_the_file(volume, tmp_path, monkeypatch):
    from mtneuro_ssl import load_model

    (tmp_path / "pca.toml").write_text('method = "pca"\ncomponents = 5\nseed = 9\n')
    run(monkeypatch, "train", volume, "-o", tmp_path / "pca", "--settings", tmp_path / "pca.toml",
        "--set", "components=2")  # fmt: skip
    settings = load_model(tmp_path / "pca").settings
    assert (settings.method, settings.components, settings.seed) == ("pca", 2, 9)


def test_ctrl_c_is_one_line_and_the_same_command_goes_on(volume, tmp_path, monkeypatch):
    (tmp_path / "small_encoder.py").write_text(
        "from torch import nn\n"
        "def small():\n"
        "    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    steps = 60
    words = ["train", volume, "--method", "byol", "-o", tmp_path / "byol"]
    words += tiny(f"steps={steps}", "checkpoint_every=0", "encoder=small_encoder:small")
    child = subprocess.Popen(
        [sys.executable, "-c", "from mtneuro_ssl.cli import main; main()", *map(str, words)],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = tmp_path / "byol.partial"
    while not (partial / "checkpoint.ckpt").exists() and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=120)[1]
    assert said == ("mtneuro-ssl: interrupted; what is done is kept: the same command goes on from there\n")
    assert child.returncode == 130
    done: list[int] = []

    @contextmanager
    def bar(what: str) -> Generator[Callable[[int, int], None]]:
        yield lambda step, total: done.append(step)

    monkeypatch.setattr("mtneuro_ssl.commands.train.bar", bar)
    monkeypatch.syspath_prepend(tmp_path)
    run(monkeypatch, *words)
    assert done[0] > 1  # not from the beginning
    assert done[-1] == steps
    assert not partial.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "VOLUME", "-o", "OUT", "--method", "boyl"], "error: method must be one of supervised, "),
        (
            ["train", "VOLUME", "-o", "OUT", "--set", "epocs=3"],
            "got 'epocs'; did you mean 'epochs'?",
        ),
        (["train", "VOLUME", "-o", "OUT", "--set", "qqqq=3"], "a key must be one of method, encoder, "),
        (["train", "VOLUME", "-o", "OUT", "--set", "epochs=many"], "epochs: Input should be a valid integer"),
        (
            ["train", "VOLUME", "-o", "OUT", "--set", "epochs"],
            "such as epochs=20, got 'epochs'",
        ),
        (["train", "nowhere.npz", "-o", "OUT"], "no file or folder at nowhere.npz"),
        (["train", "VOLUME", "-o", "OUT"], "batch_size must be at most the number of images, 8, got 256"),
        (["train", "VOLUME"], "--output"),
        (
            [
                "map",
                "OUT",
                "VOLUME",
                "-o",
                "m",
                "--window",
                "8",
                "8",
                "--workers",
                "2",
                "--scheduler",
                "tcp://x",
            ],
            "give one of the two",
        ),
        (["embed", "OUT", "VOLUME", "-o", "e.npz"], "a model folder must hold config.json"),
        (["embed", "OUT", "VOLUME", "-o", "e.txt"], "embeddings must be written to a .npz, got 'e.txt'"),
        (["map", "OUT", "VOLUME", "-o", "m", "--slices", "2", "4"], "--slices is now --z, such as --z 2:4"),
        (["train", "VOLUME", "-o", "OUT", "--z", "2:99"], "--z must be first:end with 0 <= first < end <= 8"),
        (["trian"], "train"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, volume, tmp_path, monkeypatch, capsys):
    places = {"VOLUME": str(volume), "OUT": str(tmp_path / "model")}
    run(monkeypatch, *(places.get(word, word) for word in arguments), status=2)
    said = capsys.readouterr().err.strip()
    assert said.startswith("mtneuro-ssl: error: ")
    assert message in said
    assert "\n" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npz"]


def test_a_zarr_that_is_streamed_gives_the_model_of_one_in_memory(volume, tmp_path, monkeypatch):
    import zarr

    with np.load(volume) as export:
        zarr.create_array(tmp_path / "images.zarr", data=export["images"], chunks=(1, 16, 16))
    for name, stream in (("memory", "false"), ("streamed", "true")):
        run(monkeypatch, "train", tmp_path / "images.zarr", "-o", tmp_path / name, *tiny(f"stream={stream}"))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("memory", "streamed")]
    assert weights[0] == weights[1]


def test_tensorboard_gets_the_losses_of_a_run(volume, tmp_path, monkeypatch):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra 'tensorboard'"
    )
    run(monkeypatch, "train", volume, "-o", tmp_path / "a", "--tensorboard", tmp_path / "logs", *tiny())
    events = accumulator.EventAccumulator(str(tmp_path / "logs" / "a")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [0, 1]


def test_methods_lists_every_method(monkeypatch, capsys):
    from mtneuro_ssl import method_names

    run(monkeypatch, "methods")
    out = capsys.readouterr().out
    assert all(name in out for name in (*method_names(), "resnet18"))


def test_map_writes_a_zarr_and_a_picture(volume, tmp_path, monkeypatch, capsys):
    import zarr
    from PIL import Image

    run(monkeypatch, "train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny())
    run(
        monkeypatch, "map", tmp_path / "model", volume, "-o", tmp_path / "map.zarr", "--window", 8, 8,
        "--z", "2:4", "--picture", tmp_path / "map.png",
    )  # fmt: skip
    found = zarr.open_array(tmp_path / "map.zarr")
    assert found.shape == (2, 3, 3, 6)
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == (16, 16)
        assert picture.mode == "RGB"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"3 x 3 windows of 2 slices written to {tmp_path / 'map.zarr'}",
        f"picture written to {tmp_path / 'map.png'}",
    ]


def test_part_of_a_volume_is_embedded_under_the_names_of_its_slices(volume, tmp_path, monkeypatch):
    run(monkeypatch, "train", volume, "--method", "pca", "-o", tmp_path / "model", "--z", "2:8", *tiny())
    run(monkeypatch, "embed", tmp_path / "model", volume, "-o", tmp_path / "part.npz", "--z", "2:4")
    with np.load(tmp_path / "part.npz") as part:
        assert part["sample_id"].tolist() == ["A-CTX/z112", "A-CTX/z113"]


def test_the_device_of_the_line_goes_before_the_settings(volume, tmp_path, monkeypatch):
    from mtneuro_ssl import load_model

    words = ["train", volume, "--method", "pca", "-o", tmp_path / "model", "--set", "components=3"]
    run(monkeypatch, *words, "--set", "device=auto", "--device", "cpu")
    assert load_model(tmp_path / "model").settings.device == "cpu"


def test_views_draws_a_row_for_each_image(volume, tmp_path, monkeypatch, capsys):
    from PIL import Image

    run(monkeypatch, "views", volume, "-o", tmp_path / "views.png", "--samples", 2, *tiny())
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.size == (3 * 16 + 2 * 4, 2 * 16 + 4)
    assert capsys.readouterr().out == f"2 images and their views written to {tmp_path / 'views.png'}\n"


def test_the_version_is_that_of_the_package(monkeypatch, capsys):
    import mtneuro_ssl

    run(monkeypatch, "--version")
    assert capsys.readouterr().out.strip() == mtneuro_ssl.__version__


@pytest.mark.parametrize("verb", [[], ["train"], ["embed"], ["map"], ["views"], ["methods"]])
def test_help_teaches_without_the_heavy_libraries(verb):
    code = (
        "import sys\n"
        "from mtneuro_ssl.cli import app\n"
        f"app({[*verb, '--help']!r}, result_action='return_none')\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert ("Example" in shown.stdout) == bool(verb)


def test_the_help_of_train_lists_every_setting_with_its_default(monkeypatch, capsys):
    from mtneuro_ssl import TrainSettings

    run(monkeypatch, "train", "--help")
    shown = capsys.readouterr().out
    for name in set(TrainSettings.model_fields) - {"method", "views"}:
        assert f"{name}=" in shown
    assert "learning_rate=0.03" in shown
    assert "momentum=none" in shown


def test_importing_the_package_leaves_the_heavy_libraries_out():
    code = (
        "import sys, mtneuro_ssl\n"
        "mtneuro_ssl.TrainSettings(method='myow'); mtneuro_ssl.method_names()\n"
        "assert 'train' in dir(mtneuro_ssl) and mtneuro_ssl.__version__\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
