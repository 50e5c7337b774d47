import json
import subprocess
import sys
from pathlib import Path

import mtneuro_ssl
import pytest

HEAVY = ("torch", "lightning", "lightly", "sklearn", "timm", "zarr", "rich.progress")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "VOLUME", "-o", "OUT", "--method", "boyl"], "error: method must be one of supervised, "),
        (
            ["train", "VOLUME", "-o", "OUT", "--set", "epocs=3"],
            "got 'epocs'; did you mean 'epochs'?",
        ),
        (["train", "VOLUME", "-o", "OUT", "--set", "qqqq=3"], "known names, got 'qqqq'"),
        (["train", "VOLUME", "-o", "OUT", "--set", "epochs=many"], "epochs must be a whole number"),
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
                "m.zarr",
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
        (["map", "OUT", "VOLUME", "-o", "m.npy", "--window", "8", "8"], "a map must be written to a .zarr"),
        (["train", "VOLUME", "-o", "OUT", "--epochs", "3"], "--epochs is now --set epochs=3"),
        (["train", "VOLUME", "-o", "OUT", "--crop=0.25"], "--crop is now --set views.crop=0.25"),
        (["train", "VOLUME", "-o", "OUT"], "lower it (--set batch_size=8) or provide more images"),
        (
            ["train", "VOLUME", "-o", "OUT", "--labels", "none.npy"],
            "error: no file or folder at none.npy; check the path",
        ),
        (["train", "VOLUME", "-o", "OUT", "--z", "2:99"], "--z must be first:end with 0 <= first < end <= 8"),
        (["trian"], "train"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(arguments, message, volume, tmp_path, run, capsys):
    places = {"VOLUME": str(volume), "OUT": str(tmp_path / "model")}
    run(*(places.get(word, word) for word in arguments), status=2)
    said = capsys.readouterr().err.strip()
    assert said.startswith("mtneuro-ssl: error: ")
    assert message in said
    assert "\n" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npz"]


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (["train", "nowhere.npz"], "model"),
        (["embed", "nowhere", "nowhere.npz"], "e.npz"),
        (["map", "nowhere", "nowhere.npz", "--window", "8", "8"], "m.zarr"),
        (["views", "nowhere.npz"], "v.png"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    command, output, tmp_path, run, capsys
):
    (tmp_path / "file").write_text("")
    run(*command, "-o", tmp_path / "file" / output, status=2)
    assert f"got {tmp_path / 'file' / output}: {tmp_path / 'file'} is not a folder" in capsys.readouterr().err


def test_a_file_in_a_models_place_is_refused_before_the_images_are_read(tmp_path, run, capsys):
    (tmp_path / "file").write_text("")
    run("train", "nowhere.npz", "-o", tmp_path / "file", status=2)
    assert "must be a new folder or one that holds a model" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(run, capsys):
    run("--version")
    assert capsys.readouterr().out.strip() == mtneuro_ssl.__version__


@pytest.mark.parametrize(
    "verb", [[], ["train"], ["embed"], ["probe"], ["segment"], ["map"], ["views"], ["methods"]]
)
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


def test_importing_the_package_leaves_the_heavy_libraries_out():
    code = (
        "import sys, mtneuro_ssl\n"
        "mtneuro_ssl.TrainSettings(method='myow'); mtneuro_ssl.method_names()\n"
        "assert 'train' in dir(mtneuro_ssl) and mtneuro_ssl.__version__\n"
        f"assert not set({HEAVY!r}) & set(sys.modules), set({HEAVY!r}) & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "command",
    [
        ("embed", "MODEL", "VOLUME", "-o", "e.npz"),
        ("map", "MODEL", "VOLUME", "-o", "m.zarr", "--window", "8", "8"),
        ("probe", "MODEL", "VOLUME", "-o", "p"),
        ("segment", "MODEL", "PROBE", "VOLUME", "-o", "l.zarr"),
        ("views", "VOLUME", "-o", "v.png", "--model", "MODEL"),
        ("train", "VOLUME", "-o", "new", "--settings", "SETTINGS"),
        ("views", "VOLUME", "-o", "v.png", "--settings", "SETTINGS"),
    ],
)
def test_code_that_a_file_names_is_imported_only_if_it_is_named_on_the_command_line_too(
    command, volume, tmp_path, run, tiny, planted, capsys
):
    run("train", volume, "--method", "pca", "-o", tmp_path / "model", *tiny())
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace("resnet18", "planted.nets:make"))
    (tmp_path / "settings.json").write_text('{"encoder": "planted.nets:make", "batch_size": 4}')
    places = {"MODEL": tmp_path / "model", "VOLUME": volume, "SETTINGS": tmp_path / "settings.json"}
    words = [places.get(word, word) for word in command]
    capsys.readouterr()
    for trust in ((), ("--trust", "planted.nets:mak"), ("--trust", "planted.nets")):
        run(*words, *trust, status=2)
        said = capsys.readouterr().err
        assert "names 'planted.nets:make', code that would be imported and called" in said
        assert "give --trust planted.nets:make " in said
        assert said.count("\n") == 1
    assert not planted()


def test_code_that_is_named_on_the_command_line_is_imported_from_the_current_folder(
    volume, tmp_path, run, tiny, planted, capsys
):
    (tmp_path / "settings.json").write_text('{"encoder": "planted.nets:make"}')
    for named in (
        ("--set", "encoder=planted.nets:make"),
        ("--settings", tmp_path / "settings.json", "--trust", "planted.nets:make"),
    ):
        run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny(), *named, status=2)
        assert "encoder 'planted.nets:make' must be package.module:function" in capsys.readouterr().err
        assert planted()


def test_an_encoder_in_a_file_is_remembered_by_its_whole_path_and_loaded_only_if_it_is_trusted(
    volume, tmp_path, run, tiny, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text(
        "from torch import nn\n"
        "def make(): return nn.Sequential(nn.Conv2d(1, 3, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten())\n"
    )
    run("train", volume, "--method", "untrained", "-o", "model", *tiny(), "--set", "encoder=./nets.py:make")
    name = f"{tmp_path}/nets.py:make"
    assert json.loads(Path("model/config.json").read_text())["settings"]["encoder"] == name
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    run("embed", "../model", volume, "-o", "e.npz", "--trust", "nets.py:make", status=2)
    assert f"names '{name}', code that would be imported" in capsys.readouterr().err
    run("embed", "../model", volume, "-o", "e.npz", "--trust", "../nets.py:make")
    assert Path("e.npz").is_file()


@pytest.mark.parametrize(
    "name", [["planted.nets:make"], {"module": "planted.nets:make"}, "..planted.nets:make"]
)
def test_a_name_in_a_list_or_a_table_is_no_encoder(name, volume, tmp_path, run, tiny, planted, capsys):
    run("train", volume, "--method", "pca", "-o", tmp_path / "model", *tiny())
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"resnet18"', json.dumps(name)))
    run("embed", tmp_path / "model", volume, "-o", "e.npz", "--trust", "planted.nets:make", status=2)
    assert not planted()
