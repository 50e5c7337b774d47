"""A training as it is asked for on the command line: settings, files, and what is printed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np
import pytest
from mtneuro_seg import TrainSettings, TransformSettings, load_model

SMALL = ["--set", "filters=4", "--set", "levels=3", "--set", "batch_size=4"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(data, tmp_path, monkeypatch, run):
    steps = 200
    model = tmp_path / "model"
    words = ["train", data, "-o", model, "--device", "cpu"]
    for change in ("filters=2", "levels=2", "batch_size=2", f"steps={steps}", "checkpoint_every=1"):
        words += ["--set", change]
    child = subprocess.Popen(
        [sys.executable, "-c", "from mtneuro_seg.cli import main; main()", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = tmp_path / "model.partial"
    while not (partial / "resume.ckpt").exists() and child.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=120)[1]
    assert said.startswith("mtneuro-seg: interrupted; ")
    assert said.endswith("the same command goes on from there\n")
    assert child.returncode == 130
    done: list[int] = []

    @contextmanager
    def bar(what: str) -> Generator[Callable[[int, int], None]]:
        yield lambda step, total: done.append(step)

    monkeypatch.setattr(sys.modules["mtneuro_seg.commands.train"], "bar", bar)
    assert run(*words) == 0
    assert done[0] > 1  # not from the beginning
    assert done[-1] == steps
    assert not partial.exists()


def test_the_paper_option_takes_table_a4(data, tmp_path, run):
    words = ("train", data, "-o", tmp_path / "model", "--paper", "--model", "unet")
    changes = ("--set", "classes=3", "--set", "steps=1", "--set", "filters=2")
    assert run(*words, *changes) == 0
    settings = load_model(tmp_path / "model").settings
    assert (settings.learning_rate, settings.batch_size, settings.steps) == (0.1, 8, 1)


@pytest.mark.parametrize(
    ("words", "weights"), [("balanced", "balanced"), ("1,2,3", (1, 2, 3)), ("[1, 2, 3]", (1, 2, 3))]
)
def test_class_weights_are_a_word_or_numbers(data, tmp_path, words, weights, run):
    model = tmp_path / "model"
    line = ("train", data, "-o", model, *SMALL, "--set", "steps=1", "--set", f"class_weights={words}")
    assert run(*line) == 0
    assert load_model(model).settings.class_weights == weights


def test_the_label_to_ignore_may_be_the_name_of_a_class(data, tmp_path, capsys, run):
    line = ("train", data, "-o", tmp_path / "model", *SMALL, "--set", "steps=1", "--set")
    assert run(*line, "ignore_label=cells") == 0
    assert load_model(tmp_path / "model").settings.ignore_label == 2
    capsys.readouterr()
    assert run(*line, "ignore_label=cels", "--force") == 2
    told = "ignore_label must be one of background, vessels, cells, got 'cels'; did you mean 'cells'?"
    assert told in capsys.readouterr().err


def test_the_name_of_a_label_to_ignore_needs_a_file_that_names_its_classes(tmp_path, capsys, run):
    for name in ("images", "masks"):
        np.save(tmp_path / f"{name}.npy", np.zeros((2, 16, 16), np.uint8))
    words = ("train", tmp_path / "images.npy", tmp_path / "masks.npy", "-o", tmp_path / "model")
    assert run(*words, "--set", "ignore_label=cells") == 2
    assert "ignore_label must be a value, such as 255, as the images name no" in capsys.readouterr().err


def test_a_settings_file_is_read_and_the_command_line_goes_before(data, tmp_path, run):
    config = tmp_path / "seg.toml"
    config.write_text('model = "unet"\nfilters = 2\nlevels = 2\nsteps = 1\nseed = 3\n')
    line = ("train", data, "-o", tmp_path / "model", "--settings", config, "--set", "seed=4")
    assert run(*line) == 0
    settings = load_model(tmp_path / "model").settings
    assert (settings.filters, settings.seed, settings.classes) == (2, 4, 3)


def test_a_network_file_of_the_original_benchmark_is_read(data, tmp_path, run):
    network = tmp_path / "network.json"
    network.write_text('{"model": "UNet", "n_blocks": 2, "start_filters": 2, "optimizer": "SGD", "dim": 2}')
    line = ("train", data, "-o", tmp_path / "model", "--settings", network, "--set", "steps=1")
    assert run(*line) == 0
    settings = load_model(tmp_path / "model").settings
    assert (settings.levels, settings.filters, settings.optimiser) == (2, 2, "sgd")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("--config", "seg.toml"), "--config is now --settings"),
        (("--epochs", "5"), "--epochs is now --set epochs=5"),
        (("--learning-rate=0.1",), "--learning-rate is now --set learning_rate=0.1"),
        (("--image-mean", "0.5"), "--image-mean is now --set mean=0.5"),
        (("--image-sd", "0.1"), "--image-sd is now --set sd=0.1"),
        (("--augment",), "--augment is now --set augment=true"),
        (("--no-augment",), "--no-augment is now --set augment=false"),
    ],
)
def test_an_option_of_yesterday_is_answered_with_its_new_form(old, new, data, tmp_path, capsys, run):
    assert run("train", data, "-o", tmp_path / "model", *old) == 2
    assert capsys.readouterr().err == f"mtneuro-seg: error: {new}\n"


def test_the_help_of_train_teaches_every_setting(capsys, run):
    assert run("train", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(f"{name}=" in out for name in set(TrainSettings.model_fields) - {"transforms"})
    assert all(f"transforms.{name}=" in out for name in TransformSettings.model_fields)
    assert "epochs=20: Passes over the images." in out


def test_a_3d_network_takes_slices_cut_within_their_regions(tmp_path, run):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16), dtype=np.uint8)
    region = np.repeat([0, 1], [14, 10])
    np.savez(tmp_path / "slices.npz", images=images, masks=(images // 86).astype(np.uint8), region=region)
    line = ("train", tmp_path / "slices.npz", "-o", tmp_path / "model", "--model", "unet3d", *SMALL)
    curves = tmp_path / "curves.png"
    options = ("--set", "classes=3", "--set", "epochs=1", "--depth-overlap", "0.5", "--curves", curves)
    assert run(*line, *options) == 0
    assert load_model(tmp_path / "model").provenance["data"]["images"]["shape"] == [5, 8, 16, 16]
    assert curves.stat().st_size > 1000
    volume = tmp_path / "volume.npy"
    np.save(volume, images)
    labels = tmp_path / "labels.zarr"
    assert run("predict", tmp_path / "model", volume, "-o", labels) == 0
    assert run("render", labels, "-o", tmp_path / "labels.png", "--size", "40") == 0
    assert (tmp_path / "labels.png").stat().st_size > 1000


def test_subvolumes_are_cut_by_the_ids_of_the_slices_and_never_across_cubes(tmp_path, run, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mtneuro_seg.training.train", lambda images, *_, **__: seen.append(images) or sys.exit(0)
    )
    images = np.arange(24, dtype=np.uint8)[:, None, None] * np.ones((1, 16, 16), np.uint8)
    ids = [f"A-CTX/z{z}" for z in range(12)] + [f"D-CTX/z{z}" for z in range(300, 312)]
    held: dict[str, Any] = {"images": images, "masks": images % 2, "region": np.zeros(24, int)}
    np.savez(tmp_path / "two.npz", sample_id=np.array(ids), **held)
    line = ("-o", tmp_path / "model", "--model", "unet3d", "--set", "classes=2", *SMALL)
    run("train", tmp_path / "two.npz", *line)
    assert seen[0][:, :, 0, 0].tolist() == [list(range(8)), list(range(12, 20))]


def test_slices_that_lie_apart_are_no_subvolume_and_missing_ids_are_said(tmp_path, run, capsys):
    images = np.arange(24, dtype=np.uint8)[:, None, None] * np.ones((1, 16, 16), np.uint8)
    held: dict[str, Any] = {"images": images, "masks": images % 2, "region": np.zeros(24, int)}
    np.savez(tmp_path / "apart.npz", sample_id=[f"A/z{z}" for z in range(0, 240, 10)], **held)
    np.savez(tmp_path / "bare.npz", **held)
    line = ("-o", tmp_path / "model", "--model", "unet3d", "--set", "classes=2", *SMALL)
    assert run("train", tmp_path / "apart.npz", *line) == 2
    told = capsys.readouterr().err
    assert (
        "must hold 8 consecutive slices for a subvolume, got 1 at most: the slices of a cube are 10" in told
    )
    assert "z_step = 1" in told
    # Said before the training starts, which this network refuses for its size.
    assert run("train", tmp_path / "bare.npz", *line, "--depth", "3") == 2
    assert (
        "names no slices (sample_id): those of a region are taken as consecutive" in capsys.readouterr().out
    )


@pytest.mark.parametrize("option", ["--output", "--curves", "--log-folder"])
def test_a_place_that_cannot_be_written_is_refused_before_the_images_are_read(capsys, tmp_path, run, option):
    (tmp_path / "file").touch()
    places = {"--output": tmp_path / "model", option: tmp_path / "file" / "a.png"}
    assert run("train", "no images", *(word for each in places.items() for word in each)) == 2
    assert "file is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize("setting", ["loss", "optimiser", "precision", "keep"])
def test_the_help_of_a_setting_names_each_word_that_it_takes(setting):
    field = TrainSettings.model_fields[setting]
    assert all(f"``{word}``" in str(field.description) for word in get_args(field.annotation))
