"""The tutorials do what they say: their blocks are run in order, in an empty folder, as a reader would."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from socket import socket

import numpy as np
import pandas as pd
import pytest
from mtneuro_data import open_volume
from scipy import ndimage

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/tutorials").glob("*.md"))


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the language and the text of each fenced block, and the file that the text before it names."""
    before = ""
    for part in re.split(r"^(```\w+\n.*?^```)$", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE):
        if part.startswith("```"):
            head, _, text = part[3:-3].partition("\n")
            named = re.findall(r"`([\w-]+\.toml)`", before)
            yield head, text, named[-1] if named else ""
        else:
            before = part


def script(page: Path, folder: Path) -> str:
    """Return a page as a script for bash, and write what its blocks in other languages need."""
    lines = ["set -euo pipefail"]
    for at, (language, text, named) in enumerate(blocks(page)):
        if language == "bash":
            lines.append(text)
            continue
        name = named if language == "toml" else f".block-{at}.py"
        (folder / name).write_text(text, "utf-8")
        lines += [f"python {name}"] if language == "python" else []
    return "\n".join(lines)


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return os.environ | {"PATH": path, "MTNEURO_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}


def bash(text: str, folder: Path) -> str:
    port = str(free_port())
    done = subprocess.run(
        ["bash", "-c", text.replace("PORT", port)],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a reader who has followed the page on any volume to its end."""
    folder = tmp_path_factory.mktemp("reader")
    (page,) = (page for page in PAGES if page.stem == "any-volume")
    (folder / "said").write_text(bash(script(page, folder).replace("8123", "PORT"), folder), "utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_page_on_any_volume_is_true(read: Path) -> None:
    said = (read / "said").read_text("utf-8")
    assert said.count("voxel size     0.04 x 0.004 x 0.004 µm") == 4
    assert "uint16" in said
    assert "uint64" in said
    results = next((read / "results").glob("smoke-*"))
    scores = pd.read_csv(results / "results.csv")
    assert {"cell", "membrane", "cell_size", "membrane_length_density"} <= set(scores["class_name"])
    report = re.sub(r"base64,[^\"]*", "", (results / "report.html").read_text("utf-8"))
    for word in ("vessel", "axon", "CTX", "STR"):
        assert word not in said
        assert word not in report


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_features_on_the_way_are_in_micrometres(read: Path) -> None:
    table = pd.read_csv(read / "features.csv", index_col=0)
    labels = np.load(read / "cells.npz")["masks"]
    assert list(table.columns) == ["membrane_density", "cell_count", "cell_size"]
    for z in (0, 30):
        found: tuple[np.ndarray, int] = ndimage.label(labels[z] == 1, np.ones((3, 3)))  # pyright: ignore[reportAssignmentType]
        assert table["cell_count"].iloc[z] == found[1]
        assert table["cell_size"].iloc[z] == pytest.approx((labels[z] == 1).sum() * 0.004**2 / found[1])
        assert table["membrane_density"].iloc[z] == pytest.approx((labels[z] == 2).mean())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_predictions_lie_where_the_volume_lies(read: Path) -> None:
    predicted, em = (open_volume(str(read / name)) for name in ("predicted.ome.zarr", "em.zarr"))
    assert (predicted.shape, predicted.voxel_size_um) == (em.shape, em.voxel_size_um)
    assert set(np.unique(predicted[0:2, 0:128, 0:128])) <= {0, 1, 2}


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("other", ["boss.npz", "bucket.npz"])
def test_a_database_and_a_bucket_give_the_arrays_that_the_files_give(read: Path, other: str) -> None:
    files, database = (np.load(read / name) for name in ("train.npz", other))
    for name in ("images", "masks", "sample_id", "voxel_size_um"):
        np.testing.assert_array_equal(files[name], database[name])


DYER = """
name = "dyer"
kind = "segmentation"
image = "bossdb://dyer/dyer2017/image"
annotation = "bossdb://dyer/dyer2017/labels"
label_map = { 0 = "background", 1 = "vessel", 2 = "cell" }
cubes.cortex = { y = [0, 192], x = [0, 192] }
splits.train = [{ z = [0, 40] }]
splits.val = [{ z = [40, 50] }]
splits.test = [{ z = [60, 80] }]
"""

DYER_SCRIPT = """
set -euo pipefail
export INTERN_PROTOCOL=http INTERN_HOST=127.0.0.1:PORT
mtneuro-data serve dyer/dyer2017/image=v2.npz#image dyer/dyer2017/labels=v2.npz#label \
    --annotation dyer/dyer2017/labels --voxel-size 0.65 0.65 0.65 --port PORT &
trap 'kill %1' EXIT
for _ in $(seq 60); do mtneuro-data info bossdb://dyer/dyer2017/image > info.txt && break || sleep 1; done
mtneuro-data export dyer.toml --split train val -o train.npz
mtneuro-data export dyer.toml --split test -o test.npz
"""

DYER_MODELS = """
mtneuro-ssl train bossdb://dyer/dyer2017/image --z 0:40 -o byol --set steps=2 --set batch_size=8 \
    --set encoder=timm/resnet10t
mtneuro-ssl embed byol test.npz -o embeddings.npz
mtneuro-seg train train.npz --model unet --set steps=4 --set filters=4 -o unet
mtneuro-seg evaluate unet test.npz
mtneuro-seg predict unet bossdb://dyer/dyer2017/image --z 60:64 -o labels.zarr
mtneuro-probe features bossdb://dyer/dyer2017/labels --z 60:80 -o features.csv
mtneuro run --preset smoke --tables --task dyer.toml
"""


@pytest.fixture
def dyer(tmp_path: Path, real_data: Path) -> Path:
    """A folder with the real labelled cutout of another animal, and a task over its names in the database."""
    (tmp_path / "v2.npz").symlink_to(real_data / "dyer2017" / "v2.npz")
    (tmp_path / "dyer.toml").write_text(DYER.lstrip())
    assert len((tmp_path / "dyer.toml").read_text().splitlines()) <= 10
    return tmp_path


def test_a_real_dataset_of_another_animal_is_read_under_its_names_in_the_database(dyer: Path) -> None:
    bash(DYER_SCRIPT, dyer)
    assert "0.65 x 0.65 x 0.65 µm" in (dyer / "info.txt").read_text("utf-8")
    with np.load(dyer / "v2.npz") as stored, np.load(dyer / "test.npz") as exported:
        np.testing.assert_array_equal(exported["images"], stored["image"][60:80, :192, :192])
        np.testing.assert_array_equal(exported["masks"], stored["label"][60:80, :192, :192])
        assert exported["class_names"].tolist() == ["background", "vessel", "cell"]
        assert exported["voxel_size_um"].tolist() == [0.65, 0.65, 0.65]


PRECOMPUTED = """
import sys, numpy, tensorstore
image = numpy.load("v2.npz")["image"]
scale = {"size": image.shape[::-1], "resolution": [650] * 3, "chunk_size": [64] * 3, "encoding": "raw"}
tensorstore.open(
    {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": "copy/"},
        "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
        "scale_metadata": scale,
    },
    create=True,
).result()[..., 0] = image.transpose(2, 1, 0)
"""


def test_a_precomputed_copy_of_a_real_dataset_gives_the_same_images(dyer: Path) -> None:
    subprocess.run([sys.executable, "-c", PRECOMPUTED], cwd=dyer, check=True)
    with np.load(dyer / "v2.npz") as stored:
        np.savez(dyer / "label.npz", label=stored["label"])
        image = stored["image"]
    copied = DYER.replace("bossdb://dyer/dyer2017/image", f"precomputed://file://{dyer}/copy")
    (dyer / "copy.toml").write_text(copied.replace("bossdb://dyer/dyer2017/labels", "label.npz#label"))
    bash("mtneuro-data export copy.toml --split test -o copy.npz", dyer)
    with np.load(dyer / "copy.npz") as exported:
        np.testing.assert_array_equal(exported["images"], image[60:80, :192, :192])
        assert exported["voxel_size_um"].tolist() == [0.65, 0.65, 0.65]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_real_dataset_of_another_animal_goes_through_every_command_and_the_suite(dyer: Path) -> None:
    said = bash(DYER_SCRIPT + DYER_MODELS, dyer)
    assert "Table 2" in said
    labels = np.load(dyer / "v2.npz")["label"][60:80]
    table = pd.read_csv(dyer / "features.csv", index_col=0)
    for z in (0, 19):
        found: tuple[np.ndarray, int] = ndimage.label(labels[z] == 2, np.ones((3, 3)))  # pyright: ignore[reportAssignmentType]
        assert table["cell_count"].iloc[z] == found[1]
        assert table["cell_size"].iloc[z] == pytest.approx((labels[z] == 2).sum() * 0.65**2 / found[1])


def commands_of(page: Path) -> Iterator[list[str]]:
    for language, text, _ in blocks(page):
        for line in text.splitlines() if language == "bash" else ():
            if line.startswith(("mtneuro ", "mtneuro-")):
                yield shlex.split(line.removesuffix("&"))


@pytest.mark.parametrize("words", [each for page in PAGES for each in commands_of(page)], ids=" ".join)
def test_each_command_of_a_tutorial_is_one_that_the_command_line_takes(words: list[str]) -> None:
    package = {"mtneuro": "mtneuro_suite"}.get(words[0], words[0].replace("-", "_"))
    import_module(f"{package}.cli").app.parse_args(words[1:], exit_on_error=False, print_error=False)
