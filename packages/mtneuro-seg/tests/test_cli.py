"""The command line as a user meets it."""

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
from mtneuro_seg.cli import main

HEAVY = (
    "torch",
    "lightning",
    "monai",
    "segmentation_models_pytorch",
    "matplotlib",
    "zarr",
    "sklearn",
    "pandas",
)
SMALL = ["--set", "filters=4", "--set", "levels=3", "--set", "batch_size=4"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 16, 16), dtype=np.uint8)
    np.savez(
        tmp_path / "data.npz",
        format_version=1,
        images=images,
        masks=(images // 86).astype(np.uint8),
        voxel_size_um=np.array([1.17, 1.17, 1.17]),
        class_names=np.array(["background", "vessels", "cells"]),
        sample_id=np.array([f"A-CTX/z{z}" for z in range(110, 118)]),
    )
    return tmp_path / "data.npz"


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["mtneuro-seg", *map(str, words)])
    try:
        main()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


def test_the_main_path_trains_scores_and_predicts(data, tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    assert (
        run(monkeypatch, "train", data, "--set", "epochs=2", *SMALL, "-o", model, "--validation", data) == 0
    )
    assert "unet: 4 steps" in capsys.readouterr().out
    figure = tmp_path / "figures" / "test.png"
    assert run(monkeypatch, "evaluate", model, data, "--figure", figure, "--intervals", "--block", "2") == 0
    out = capsys.readouterr().out
    assert "95% interval" in out
    assert "vessels" in out
    assert "mean" in out
    assert figure.stat().st_size > 1000
    assert run(monkeypatch, "predict", model, data, "-o", tmp_path / "labels.npz") == 0
    with np.load(tmp_path / "labels.npz") as held:
        assert held["masks"].shape == (8, 16, 16)
        assert held["voxel_size_um"][0] == 1.17
        assert held["sample_id"].tolist() == [f"A-CTX/z{z}" for z in range(110, 118)]
        flat = held["masks"]
    assert (
        run(monkeypatch, "predict", model, data, "-o", tmp_path / "labels.zarr", "--window", "16", "16") == 0
    )
    from mtneuro_seg._shared.volume_file import open_volume_file

    labels = open_volume_file(tmp_path / "labels.zarr")
    np.testing.assert_array_equal(labels.loaded(), flat)
    assert labels.sample_id == tuple(f"A-CTX/z{z}" for z in range(110, 118))
    ome = ("-o", tmp_path / "labels.ome.zarr", "--window", "16", "16")
    assert run(monkeypatch, "predict", model, data, *ome) == 0
    np.testing.assert_array_equal(open_volume_file(tmp_path / "labels.ome.zarr").loaded(), flat)


@pytest.mark.parametrize("verb", ["train", "predict", "render"])
def test_the_output_has_the_name_of_the_suites_other_tools(verb, monkeypatch, capsys):
    assert run(monkeypatch, verb, "--help") == 0
    assert "--output" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--output", "--out", "-o"])
def test_the_output_can_be_asked_for_by_each_name(option, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "labels.npy", np.tri(8, dtype=np.uint8)[None].repeat(8, axis=0))
    picture = tmp_path / "labels.png"
    assert run(monkeypatch, "render", tmp_path / "labels.npy", option, picture, "--size", "40") == 0
    assert picture.exists()


def test_models_lists_all_with_their_papers(monkeypatch, capsys):
    assert run(monkeypatch, "models") == 0
    out = capsys.readouterr().out
    assert "VNetLight" in out
    assert "8 x 8 x 8" in out


def test_wrong_inputs_end_with_one_line_and_status_2(data, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    np.save(tmp_path / "images.npy", np.zeros((4, 16, 16), np.uint8))
    wrong = {
        ("train", data, "-o", out, "--set", "classes=4"): "classes must be 3, as ",
        ("train", data, "-o", out, "--model", "unett"): "did you mean 'unet'",
        ("train", data, "-o", out, "--set", "batch_size=0"): "batch_size",
        ("train", data, "-o", out, "--set", "epochs=many"): "epochs: Input should be a valid integer",
        ("train", data, "-o", out, "--no-such-thing"): "no-such-thing",
        ("train", tmp_path / "x.npz", "-o", out): "no file or folder at",
        ("train", tmp_path / "images.npy", "-o", out): "LABELS must be given",
        ("train", data, "-o", out, "--paper", "--set", "batch_size=2"): "--paper sets batch_size",
        ("evaluate", tmp_path / "nowhere", data): "a model folder must hold config.json",
        ("predict", tmp_path, data, "-o", tmp_path / "labels.png"): "must be written to",
        (
            "predict",
            tmp_path,
            data,
            "-o",
            tmp_path / "a.npy",
            "--scheduler",
            "tcp://127.0.0.1:1",
        ): "need a .zarr",
    }
    for words, message in wrong.items():
        assert run(monkeypatch, *words) == 2, words
        told = capsys.readouterr()
        assert message in " ".join((told.err + told.out).split()), words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "images.npy"]


def test_a_volume_is_not_written_over_and_subvolumes_are_no_volume(data, tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    assert run(monkeypatch, "train", data, "--set", "steps=1", *SMALL, "-o", model) == 0
    np.save(tmp_path / "volume.npy", np.zeros((2, 8, 16, 16), np.uint8))
    volume = tmp_path / "volume.npy"
    wrong = {
        (data, "-o", data): "must be different files",
        (volume, "-o", tmp_path / "a.ome.zarr"): "need a volume (z, y, x), got shape (2, 8, 16, 16)",
        (
            volume,
            "-o",
            tmp_path / "a.zarr",
            "--probabilities",
            tmp_path / "p.zarr",
        ): "need a volume (z, y, x)",
    }
    for words, message in wrong.items():
        assert run(monkeypatch, "predict", model, *words) == 2, words
        assert message in capsys.readouterr().err, words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model", "volume.npy"]


def test_labels_and_blocks_that_do_not_fit_are_refused_before_predicting(data, tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    assert run(monkeypatch, "train", data, "--set", "steps=1", *SMALL, "-o", model) == 0
    monkeypatch.setattr("mtneuro_seg.inference.predict", lambda *_, **__: pytest.fail("it predicted"))
    with np.load(data) as held:
        np.save(tmp_path / "images.npy", held["images"])
        np.save(tmp_path / "labels.npy", held["masks"] + 2)
    wrong = {
        (data, "--intervals"): "less than the 8 images of the longest stack, got 10",
        (data, "--intervals", "--block", "0"): "block must be at least 1",
        (tmp_path / "images.npy", tmp_path / "labels.npy"): "labels must hold labels in [0, 3), got 3, 4",
    }
    for words, message in wrong.items():
        assert run(monkeypatch, "evaluate", model, *words) == 2, words
        assert message in capsys.readouterr().err, words


def test_an_error_is_one_line(data, tmp_path, monkeypatch, capsys):
    for words in (["--set", "classes=4"], ["--model", "unett"], ["--no-such-thing"]):
        assert run(monkeypatch, "train", data, "-o", tmp_path / "out", *words) == 2
        told = capsys.readouterr().err
        assert told.startswith("mtneuro-seg: error: ")
        assert told.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(data, tmp_path, monkeypatch):
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
    assert run(monkeypatch, *words) == 0
    assert done[0] > 1  # not from the beginning
    assert done[-1] == steps
    assert not partial.exists()


def test_the_paper_option_takes_table_a4(data, tmp_path, monkeypatch, capsys):
    words = ("train", data, "-o", tmp_path / "model", "--paper", "--model", "unet")
    changes = ("--set", "classes=3", "--set", "steps=1", "--set", "filters=2")
    assert run(monkeypatch, *words, *changes) == 0
    from mtneuro_seg import load_model

    settings = load_model(tmp_path / "model").settings
    assert (settings.learning_rate, settings.batch_size, settings.steps) == (0.1, 8, 1)


@pytest.mark.parametrize("words", ["import mtneuro_seg", "from mtneuro_seg.cli import app; app('{} --help')"])
@pytest.mark.parametrize("verb", ["", "train"])
def test_importing_and_help_leave_the_heavy_libraries_out(words, verb):
    script = f"""
import sys
try:
    {words.format(verb)}
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    child = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert child.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "weights"), [("balanced", "balanced"), ("1,2,3", (1, 2, 3)), ("[1, 2, 3]", (1, 2, 3))]
)
def test_class_weights_are_a_word_or_numbers(data, tmp_path, monkeypatch, words, weights):
    model = tmp_path / "model"
    line = ("train", data, "-o", model, *SMALL, "--set", "steps=1", "--set", f"class_weights={words}")
    assert run(monkeypatch, *line) == 0
    from mtneuro_seg import load_model

    assert load_model(model).settings.class_weights == weights


def test_a_settings_file_is_read_and_the_command_line_goes_before(data, tmp_path, monkeypatch):
    config = tmp_path / "seg.toml"
    config.write_text('model = "unet"\nfilters = 2\nlevels = 2\nsteps = 1\nseed = 3\n')
    line = ("train", data, "-o", tmp_path / "model", "--settings", config, "--set", "seed=4")
    assert run(monkeypatch, *line) == 0
    from mtneuro_seg import load_model

    settings = load_model(tmp_path / "model").settings
    assert (settings.filters, settings.seed, settings.classes) == (2, 4, 3)


def test_a_network_file_of_the_original_benchmark_is_read(data, tmp_path, monkeypatch):
    network = tmp_path / "network.json"
    network.write_text('{"model": "UNet", "n_blocks": 2, "start_filters": 2, "optimizer": "SGD", "dim": 2}')
    line = ("train", data, "-o", tmp_path / "model", "--settings", network, "--set", "steps=1")
    assert run(monkeypatch, *line) == 0
    from mtneuro_seg import load_model

    settings = load_model(tmp_path / "model").settings
    assert (settings.levels, settings.filters, settings.optimiser) == (2, 2, "sgd")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("--config", "seg.toml"), "--config is now --settings"),
        (("--epochs", "5"), "--epochs is now --set epochs="),
        (("--learning-rate=0.1",), "--learning-rate is now --set learning_rate="),
        (("--augment",), "--augment is now --set augment=true"),
        (("--no-augment",), "--no-augment is now --set augment=false"),
    ],
)
def test_an_option_of_yesterday_is_answered_with_its_new_form(old, new, data, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "train", data, "-o", tmp_path / "model", *old) == 2
    assert capsys.readouterr().err == f"mtneuro-seg: error: {new}\n"


def test_the_help_of_train_teaches_every_setting(monkeypatch, capsys):
    from mtneuro_seg import TrainSettings

    assert run(monkeypatch, "train", "--help") == 0
    out = " ".join(capsys.readouterr().out.split())
    assert all(f"{name}=" in out for name in TrainSettings.model_fields)
    assert "epochs=20: Passes over the images." in out


def test_a_part_of_a_volume_is_labelled(data, tmp_path, monkeypatch, capsys):
    model = tmp_path / "model"
    assert run(monkeypatch, "train", data, "--set", "steps=1", *SMALL, "-o", model) == 0
    volume = np.random.default_rng(1).integers(0, 256, (4, 40, 40), dtype=np.uint8)
    np.save(tmp_path / "volume.npy", volume)
    np.save(tmp_path / "part.npy", volume[1:3, 8:24, 4:36])
    part = ("--z", "1:3", "--y", "8:24", "--x", "4:36")
    assert run(monkeypatch, "predict", model, tmp_path / "volume.npy", "-o", tmp_path / "a.npy", *part) == 0
    assert run(monkeypatch, "predict", model, tmp_path / "part.npy", "-o", tmp_path / "b.npy") == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
    assert (
        run(monkeypatch, "predict", model, tmp_path / "part.npy", "-o", tmp_path / "c.npy", "--z", "1:9") == 2
    )
    assert "--z must be first:end with 0 <= first < end <= 2" in capsys.readouterr().err


def test_a_3d_network_takes_slices_cut_within_their_regions(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16), dtype=np.uint8)
    region = np.repeat([0, 1], [14, 10])
    np.savez(tmp_path / "slices.npz", images=images, masks=(images // 86).astype(np.uint8), region=region)
    line = ("train", tmp_path / "slices.npz", "-o", tmp_path / "model", "--model", "unet3d", *SMALL)
    curves = tmp_path / "curves.png"
    options = ("--set", "classes=3", "--set", "epochs=1", "--depth-overlap", "0.5", "--curves", curves)
    assert run(monkeypatch, *line, *options) == 0
    from mtneuro_seg import load_model

    assert load_model(tmp_path / "model").provenance["data"]["images"]["shape"] == [5, 8, 16, 16]
    assert curves.stat().st_size > 1000
    volume = tmp_path / "volume.npy"
    np.save(volume, images)
    labels = tmp_path / "labels.zarr"
    assert run(monkeypatch, "predict", tmp_path / "model", volume, "-o", labels) == 0
    assert run(monkeypatch, "render", labels, "-o", tmp_path / "labels.png", "--size", "40") == 0
    assert (tmp_path / "labels.png").stat().st_size > 1000


def test_every_name_of_the_package_is_there():
    import mtneuro_seg

    assert mtneuro_seg.__all__ == sorted(mtneuro_seg.__all__)
    assert all(getattr(mtneuro_seg, name) is not None for name in mtneuro_seg.__all__)
    with pytest.raises(AttributeError, match="No mtneuro_seg attribute trian"):
        mtneuro_seg.trian  # noqa: B018 # pyright: ignore[reportAttributeAccessIssue] (it is not there)
