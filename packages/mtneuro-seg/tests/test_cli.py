"""The command line as a user meets it."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from mtneuro_seg import open_volume_file

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


def test_the_main_path_trains_scores_and_predicts(data, tmp_path, capsys, run):
    model = tmp_path / "model"
    assert run("train", data, "--set", "epochs=2", *SMALL, "-o", model, "--validation", data) == 0
    assert "unet: 4 steps" in capsys.readouterr().out
    figure = tmp_path / "figures" / "test.png"
    assert run("evaluate", model, data, "--figure", figure, "--intervals", "--block", "2") == 0
    out = capsys.readouterr().out
    assert "95% interval" in out
    assert "vessels" in out
    assert "mean" in out
    assert figure.stat().st_size > 1000
    assert run("predict", model, data, "-o", tmp_path / "labels.npz") == 0
    with np.load(tmp_path / "labels.npz") as held:
        assert held["masks"].shape == (8, 16, 16)
        assert held["voxel_size_um"][0] == 1.17
        assert held["sample_id"].tolist() == [f"A-CTX/z{z}" for z in range(110, 118)]
        flat = held["masks"]
    assert run("predict", model, data, "-o", tmp_path / "labels.zarr", "--window", "16", "16") == 0
    labels = open_volume_file(tmp_path / "labels.zarr")
    np.testing.assert_array_equal(labels.loaded(), flat)
    assert labels.sample_id == tuple(f"A-CTX/z{z}" for z in range(110, 118))
    ome = ("-o", tmp_path / "labels.ome.zarr", "--window", "16", "16")
    assert run("predict", model, data, *ome) == 0
    np.testing.assert_array_equal(open_volume_file(tmp_path / "labels.ome.zarr").loaded(), flat)


def test_wrong_inputs_end_with_one_line_and_status_2(data, tmp_path, capsys, run):
    out = tmp_path / "out"
    np.save(tmp_path / "images.npy", np.zeros((4, 16, 16), np.uint8))
    wrong = {
        ("train", data, "-o", out, "--set", "classes=4"): "classes must be 3, as ",
        ("train", data, "-o", out, "--model", "unett"): "did you mean 'unet'",
        ("train", data, "-o", out, "--set", "batch_size=0"): "batch_size",
        ("train", data, "-o", out, "--set", "epochs=many"): "epochs must be a whole number",
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
        assert run(*words) == 2, words
        told = capsys.readouterr()
        assert message in " ".join((told.err + told.out).split()), words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "images.npy"]


def test_an_error_is_one_line(data, tmp_path, capsys, run):
    for words in (["--set", "classes=4"], ["--model", "unett"], ["--no-such-thing"]):
        assert run("train", data, "-o", tmp_path / "out", *words) == 2
        told = capsys.readouterr().err
        assert told.startswith("mtneuro-seg: error: ")
        assert told.count("\n") == 1


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
    "command",
    [
        ("predict", "MODEL", "DATA", "-o", "labels.npz"),
        ("predict", "MODEL", "DATA", "-o", "labels.zarr"),
        ("evaluate", "MODEL", "DATA"),
        ("train", "DATA", "-o", "new", "--settings", "SETTINGS"),
    ],
)
def test_code_that_a_file_names_is_imported_only_if_it_is_named_on_the_command_line_too(
    command, model, data, tmp_path, run, planted, capsys
):
    config = model / "config.json"
    config.write_text(config.read_text().replace('"unet"', '"planted.nets:make"'))
    (tmp_path / "settings.json").write_text('{"model": "planted.nets:make"}')
    places = {"MODEL": model, "DATA": data, "SETTINGS": tmp_path / "settings.json"}
    words = [places.get(word, word) for word in command]
    for trust in ((), ("--trust", "planted.nets:mak"), ("--trust", "planted.nets")):
        assert run(*words, *trust) == 2
        said = capsys.readouterr().err
        assert "names 'planted.nets:make', code that would be imported and called" in said
        assert "give --trust planted.nets:make " in said
        assert said.count("\n") == 1
    assert not planted()
    assert run(*words, "--trust", "planted.nets:make") == 2
    assert "'planted.nets:make' must return a torch.nn.Module for classes=" in capsys.readouterr().err
    assert planted()


def test_code_that_is_named_on_the_command_line_is_imported_from_the_current_folder(
    data, tmp_path, run, planted
):
    assert run("train", data, "-o", tmp_path / "new", "--model", "planted.nets:make") == 2
    assert planted()


def test_a_network_in_a_file_is_imported_by_its_path(data, tmp_path, run, planted, capsys):
    assert run("train", data, "-o", tmp_path / "new", "--model", "planted/nets.py:mak") == 2
    said = capsys.readouterr().err
    assert f"'{tmp_path}/here/planted/nets.py:mak'" in said
    assert "mak'" in said
    assert said.count("\n") == 1
    assert planted()


@pytest.mark.parametrize(
    "name", [["planted.nets:make"], {"module": "planted.nets:make"}, "..planted.nets:make"]
)
def test_a_name_in_a_list_or_a_table_is_no_network(name, model, data, run, planted):
    config = model / "config.json"
    config.write_text(config.read_text().replace('"unet"', json.dumps(name)))
    assert run("evaluate", model, data, "--trust", "planted.nets:make") == 2
    assert not planted()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("predict", "--folder", "m"), "--folder is now the argument MODEL, before all others"),
        (("evaluate", "m", "--images=a.npz"), "--images is now the argument IMAGES, after MODEL"),
    ],
)
def test_what_was_an_option_and_is_an_argument_now_is_answered_with_its_place(capsys, run, words, told):
    assert run(*words) == 2
    assert capsys.readouterr().err == f"mtneuro-seg: error: {told}\n"


@pytest.mark.parametrize("verb", ["train", "predict", "evaluate", "render"])
def test_the_help_shows_arguments_apart_and_no_earlier_name(capsys, run, verb):
    assert run(verb, "--help") == 0
    told = capsys.readouterr().out
    assert "Arguments" in told
    assert not re.search(r"--(out|folder|volume|images)\b", told)
