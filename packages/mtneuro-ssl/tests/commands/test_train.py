import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

import numpy as np
import pytest
import zarr
from mtneuro_ssl import TrainSettings, load_model


def test_supervised_training_takes_labels_from_the_export_or_a_file(volume, tmp_path, run, tiny):
    run("train", volume, "--method", "supervised", "-o", tmp_path / "own", *tiny())
    assert load_model(tmp_path / "own").classes == ("CTX", "STR")
    np.save(tmp_path / "labels.npy", np.arange(8) % 3)
    run(
        "train", volume, "--method", "supervised", "--labels", tmp_path / "labels.npy",
        "-o", tmp_path / "given", *tiny(),
    )  # fmt: skip
    assert load_model(tmp_path / "given").classes is None


def test_an_export_of_one_region_trains_what_needs_no_labels_alone(tmp_path, run, tiny, capsys):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    export = tmp_path / "one.npz"
    np.savez(export, images=images, region=np.zeros(8, np.int64), region_names=["neuropil"])
    run("train", export, "--method", "myow", "-o", tmp_path / "myow", *tiny())
    run("train", export, "--method", "supervised", "-o", tmp_path / "supervised", *tiny(), status=2)
    (told,) = capsys.readouterr().err.splitlines()
    assert "needs labels of at least 2 classes to tell apart, got 0 only" in told
    assert not list(tmp_path.glob("supervised*"))


def test_views_from_other_slices_need_the_ids_of_a_file_of_several_regions(tmp_path, run, capsys):
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "bare.npz", images=images, region=np.arange(8) % 2)
    line = ("train", tmp_path / "bare.npz", "-o", tmp_path / "model", "--set", "views.slices=1")
    run(*line, status=2)
    assert "views.slices needs the ids of slices (sample_id" in capsys.readouterr().err


def test_settings_on_the_command_line_override_those_in_the_file(volume, tmp_path, run):
    (tmp_path / "pca.toml").write_text('method = "pca"\ncomponents = 5\nseed = 9\n')
    run("train", volume, "-o", tmp_path / "pca", "--settings", tmp_path / "pca.toml",
        "--set", "components=2")  # fmt: skip
    settings = load_model(tmp_path / "pca").settings
    assert (settings.method, settings.components, settings.seed) == ("pca", 2, 9)


def test_the_option_device_overrides_the_settings(volume, tmp_path, run):
    words = ["train", volume, "--method", "pca", "-o", tmp_path / "model", "--set", "components=3"]
    run(*words, "--set", "device=auto", "--device", "cpu")
    assert load_model(tmp_path / "model").settings.device == "cpu"


def test_ctrl_c_gives_one_line_and_the_same_command_continues_the_run(
    volume, tmp_path, run, tiny, monkeypatch
):
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
    assert said == "mtneuro-ssl: interrupted; what is done is kept: the same command goes on from there\n"
    assert child.returncode == 130
    done: list[int] = []

    @contextmanager
    def bar(what: str) -> Generator[Callable[[int, int], None]]:
        yield lambda step, total: done.append(step)

    monkeypatch.setattr("mtneuro_ssl.commands.train.bar", bar)
    monkeypatch.syspath_prepend(tmp_path)
    run(*words)
    assert done[0] > 1  # not from the beginning
    assert done[-1] == steps
    assert not partial.exists()


def test_a_zarr_that_is_streamed_gives_the_model_of_one_in_memory(volume, tmp_path, run, tiny):
    with np.load(volume) as export:
        zarr.create_array(tmp_path / "images.zarr", data=export["images"], chunks=(1, 16, 16))
    for name, stream in (("memory", "false"), ("streamed", "true")):
        run("train", tmp_path / "images.zarr", "-o", tmp_path / name, *tiny(f"stream={stream}"))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("memory", "streamed")]
    assert weights[0] == weights[1]


def test_tensorboard_gets_the_losses_of_a_run(volume, tmp_path, run, tiny):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra 'tensorboard'"
    )
    run("train", volume, "-o", tmp_path / "a", "--log", "tensorboard", *tiny())
    events = accumulator.EventAccumulator(str(tmp_path / "logs" / "a")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2]


def test_an_old_option_for_logs_is_told_with_its_new_form(volume, tmp_path, run, capsys):
    run("train", volume, "-o", tmp_path / "a", "--tensorboard", "logs", status=2)
    told = capsys.readouterr().err.strip()
    assert told.endswith("--tensorboard is now --log tensorboard --log-folder=logs")


def test_a_log_that_is_not_known_is_refused_before_the_images_are_read(tmp_path, run, capsys):
    run("train", "no images", "-o", tmp_path / "a", "--log", "wand", status=2)
    assert "--log" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_help_of_train_lists_every_setting_with_its_default(run, capsys):
    run("train", "--help")
    shown = capsys.readouterr().out
    for name in set(TrainSettings.model_fields) - {"method", "views", "vit", "mae"}:
        assert f"{name}=" in shown
    assert "vit.patch=8" in shown
    assert "mae.mask_ratio=0.75" in shown
    assert "learning_rate=0.03" in shown
    assert "momentum=none" in shown
