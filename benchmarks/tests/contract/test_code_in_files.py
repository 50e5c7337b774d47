"""Nothing in the project runs code that a file holds, or names unless the user names it too.

The sources are read, so that a new call of this kind is seen whoever writes it, and attacks are tried.
"""

import ast
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for pattern in ("packages/*/src/**/*.py", "benchmarks/**/*.py", "tools/*.py")
    for path in ROOT.glob(pattern)
    if "tests" not in path.parts
)

RUN_CODE = {
    *("cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "yaml"),
    *("eval", "exec", "__import__", "import_module", "exec_module", "run_path", "run_module"),
    *("load_from_checkpoint", "read_pickle", "load_state_dict_from_url", "trust_remote_code"),
}
"""Names of what unpickles, or imports by name."""

ALLOWED = {
    ("packages/mtneuro-seg/src/mtneuro_seg/networks/smp.py", "pickle"),  # the name of an error
    *(  # the name of an error
        (f"packages/mtneuro-{name}/src/mtneuro_{name}/_shared/torch_file.py", "pickle")
        for name in ("ssl", "seg")
    ),
    ("packages/mtneuro-data/src/mtneuro_data/sources/__init__.py", "import_module"),  # of its own table
    ("packages/mtneuro-data/src/mtneuro_data/task.py", "import_module"),  # one name, in the text
    ("benchmarks/speed/measuring.py", "import_module"),  # its own script, in another process
    *(
        (f"{folder}/_shared/factories.py", word)
        for word in ("import_module", "exec_module")  # what the user has named
        for folder in (
            "packages/mtneuro-ssl/src/mtneuro_ssl",
            "packages/mtneuro-seg/src/mtneuro_seg",
            "benchmarks/mtneuro_suite",
        )
    ),
}


def _names(node: ast.AST) -> list[str]:
    """Return the names that a part of a source uses."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [str(node.module).partition(".")[0], *(alias.name for alias in node.names)]
    if isinstance(node, ast.Call):
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return [name, *(word.arg or "" for word in node.keywords)]
    return []


def _found(path: Path) -> set[tuple[str, str]]:
    """Return the names of what runs code that a source uses."""
    place = path.relative_to(ROOT).as_posix()
    used = {name for node in ast.walk(ast.parse(path.read_text())) for name in _names(node)}
    # A network is put into evaluation mode by a method of the same name.
    text = path.read_text().replace(".eval()", "")
    return {(place, name) for name in used & RUN_CODE if name != "eval" or "eval(" in text}


def test_nothing_unpickles_or_imports_by_name_but_what_is_listed() -> None:
    assert len(SOURCES) > 200
    assert {found for path in SOURCES for found in _found(path)} == ALLOWED


def test_the_reader_of_sources_sees_each_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    source = tmp_path / "a.py"
    for text, name in {
        "import pickle": "pickle",
        "def f():\n    from joblib import load": "joblib",
        "importlib.import_module(name)": "import_module",
        "model.eval()\neval(text)": "eval",
        "Method.load_from_checkpoint(path)": "load_from_checkpoint",
        "load(name, trust_remote_code=True)": "trust_remote_code",
    }.items():
        source.write_text(text)
        assert _found(source) == {("a.py", name)}
    source.write_text("model.eval()")
    assert not _found(source)


@pytest.mark.parametrize(
    ("library", "word", "wanted"), [("torch", "weights_only", True), ("np", "allow_pickle", False)]
)
def test_weights_and_arrays_are_loaded_as_numbers_alone(library: str, word: str, wanted: bool) -> None:
    count = 0
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == f"{library}.load"):
                continue
            given = {one.arg: ast.literal_eval(one.value) for one in node.keywords if one.arg == word}
            # NumPy's own default is the safe one, torch's only in its later versions.
            assert given.get(word, None if library == "torch" else False) is wanted, f"{path}:{node.lineno}"
            count += 1
    assert count


class Evil:
    """Writes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_weights_that_hold_code_are_refused(tmp_path: Path) -> None:
    import mtneuro_seg
    import mtneuro_ssl
    import torch
    from mtneuro_seg import build_network
    from mtneuro_ssl import untrained

    evil = tmp_path / "evil.pth"
    torch.save({"conv1.weight": Evil(tmp_path / "ran")}, evil)
    with pytest.raises(ValueError, match=r"evil\.pth"):
        untrained(mtneuro_ssl.TrainSettings(encoder="timm/test_resnet", encoder_weights=str(evil)))
    settings = mtneuro_seg.TrainSettings(model="fpn", encoder_name="resnet18", encoder_weights=str(evil))
    with pytest.raises(ValueError, match=r"evil\.pth' must hold the weights of encoder"):
        build_network(settings)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("dtype", "filters", "compressor"),
    [
        ("|O", [{"id": "pickle"}], None),
        ("|O", [{"id": "vlen-utf8"}, {"id": "pickle"}], None),
        ("|O", [{"id": "vlen-bytes"}], {"id": "pickle"}),
        ("|u1", [{"id": "pickle"}], None),
        ("|u1", None, {"id": "pickle"}),
        ("|u1", [{"id": "zlib", "level": 1}, {"id": "pickle"}], None),
    ],
)
def test_a_zarr_array_that_holds_code_is_refused(
    tmp_path: Path, dtype: str, filters: Any, compressor: Any, run_everywhere: Any
) -> None:
    shape = [4, 4, 4]
    about = {"zarr_format": 2, "shape": shape, "chunks": shape, "dtype": dtype, "order": "C"}
    about |= {"filters": filters, "compressor": compressor, "fill_value": 0 if dtype == "|u1" else ""}
    for name, size in (("volume.zarr", shape), ("labels.zarr", [4])):
        store = tmp_path / name
        store.mkdir()
        (store / ".zarray").write_text(json.dumps({**about, "shape": size, "chunks": size}))
        (store / ".".join("0" * len(size))).write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    run_everywhere(tmp_path)
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def run_everywhere() -> Any:
    """Reads a folder's volume and labels in every package that does, each of which refuses."""
    import mtneuro_data
    import mtneuro_probe
    import mtneuro_seg
    import mtneuro_ssl
    from mtneuro_probe.files import open_embedding_map
    from mtneuro_ssl.files import read_labels

    def read(folder: Path) -> None:
        readers = [
            lambda: mtneuro_data.open_volume(str(folder / "volume.zarr"))[:, :, :],
            lambda: mtneuro_ssl.open_volume_file(folder / "volume.zarr").loaded(),
            lambda: mtneuro_seg.open_volume_file(folder / "volume.zarr").loaded(),
            lambda: mtneuro_probe.open_volume_file(folder / "volume.zarr").loaded(),
            lambda: open_embedding_map(folder / "volume.zarr")[0][:],
            lambda: read_labels(folder / "labels.zarr"),
        ]
        for reader in readers:
            with pytest.raises(ValueError):
                reader()

    return read
