"""Write the images that embeddings must be of to a folder that any language reads."""

import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from mtneuro_data import TaskArrays
from numpy.lib import format as npy
from pydantic import ValidationError

from mtneuro_suite._shared.digests import digest
from mtneuro_suite._shared.files import written_beside
from mtneuro_suite._shared.sample_ids import parsed_ids
from mtneuro_suite._shared.settings import Settings
from mtneuro_suite.plan.asked import Asked
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps.embedder import Samples

ABOUT, INDEX, READ_ME = "export.json", "index.csv", "README.txt"

Form = Literal["npy", "png"]
_COLUMNS = (
    "id", "file", "row", "slices", "height", "width", "cube", "z", "y", "x", "reduction",
    "voxel_z_um", "voxel_y_um", "voxel_x_um", "used_for",
)  # fmt: skip

_TEXT = """\
Images for which the benchmark asks for embeddings: preset {preset}, {samples} samples.

index.csv has a line for each sample:
  id                      its name, which your file must repeat exactly
  file, row               {where}
  slices, height, width   its size; slices is 1 for an image, more for a subvolume
  cube, z, y, x           the part of the volume that it was cut from, and its first voxel, unreduced
  reduction               by how much its rows and columns are reduced
  voxel_z_um, voxel_y_um, voxel_x_um
                          edges of its voxels in micrometres; empty where nobody knows them
  used_for                the training and test sets that it is of

{form}

Write one file of embeddings, with the samples in any order, in one of these forms:
  .npz       NumPy's archive of two arrays: embeddings (samples, features), numbers of any type, and sample_id
             (samples,), texts
  .csv       a line of headings, a first column sample_id, and a column of numbers for each feature
  .parquet   the same columns
Each sample has one line and finite numbers. You may leave out all subvolumes if you embed images alone, or
all images if you embed subvolumes alone: the row then stands in the other columns of the tables.

Give the file to the command that wrote this folder, in place of --export-images:
  mtneuro run ... --embeddings NAME=FILE
benchmarks/examples/numpy_embeddings.py of the repository does all this, with Python and NumPy alone.
"""
_WORDS = {
    "npy": {
        "where": "the file that holds it, and its place there, from 0",
        "form": (
            "An .npy file, NumPy's format, is a short header and then the samples one after another, row by\n"
            "row, as bytes from 0 to 255 unless the header says otherwise."
        ),
    },
    "png": {
        "where": "the picture; of a subvolume the folder of its slices, z0.png, z1.png and so on",
        "form": "Pictures are grey, with 8 bits a pixel.",
    },
}


class _About(Settings):
    """What an export says of itself."""

    export_version: Literal[1] = 1
    digest: str
    """Of the samples and the form."""

    files: dict[str, int] | None = None
    """Length of every other file, in bytes; None while they are being written."""


def check_export(asked: Sequence[Asked], folder: Path, *, form: Form) -> bool:
    """Return whether a folder holds these samples whole already.

    Raises
    ------
    ValueError
        If there is nothing to embed, or pictures cannot hold it.
    FileExistsError
        If the folder holds something else.
    """
    if not asked:
        raise ValueError("--export-images needs a preset with encoders, [task1], and this one has none")
    if form == "png" and any(one.task.image_type != "uint8" for one in asked):
        raise ValueError("pictures hold whole grey levels, and images are float32: leave --export-png out")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return False
    if not (folder / ABOUT).is_file():
        raise FileExistsError(
            f"--export-images must name a new folder, or one that it wrote, got {folder}, which has no "
            f"{ABOUT}"
        )
    about = _about(folder)
    if about is None or about.digest != _digest(asked, form):
        raise FileExistsError(
            f"{folder} must be of the same samples to be written again, and holds others; give another folder"
        )
    if about.files is None:
        return False
    files = [folder / name for name in about.files]
    return [file.stat().st_size if file.is_file() else None for file in files] == [*about.files.values()]


def _about(folder: Path) -> _About | None:
    try:
        return _About.model_validate_json((folder / ABOUT).read_bytes())
    except ValidationError:
        return None


def _digest(asked: Sequence[Asked], form: Form) -> str:
    return digest({"form": form, "samples": [[one.uses, one.names.tolist()] for one in asked]})


def write_export(
    asked: Sequence[Asked],
    store: Store,
    folder: Path,
    *,
    preset: str,
    form: Form,
) -> int:
    """Write the samples of finished ``arrays`` runs, and return how many there are.

    One run's images are in memory at a time. Other files in the folder stay as they are.

    Parameters
    ----------
    asked
        The samples.
    store
        Where the runs' results are.
    folder
        Where to write; `check_export` has seen it.
    preset
        The preset's name.
    form
        ``npy``, a file for each size of image, or ``png``, a picture for each slice.
    """
    about = _About(digest=_digest(asked, form))
    _write(folder / ABOUT, about.model_dump_json(indent=1))
    lines, stacks = _write_images(asked, store, folder, form)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(lines)
    _write(folder / INDEX, text.getvalue())
    _write(folder / READ_ME, _TEXT.format(preset=preset, samples=len(lines), **_WORDS[form]))
    written = [folder / INDEX, folder / READ_ME]
    for stack in stacks:
        written += [file for file in (stack, *sorted(stack.rglob("*"))) if file.is_file()]
    files = {file.relative_to(folder).as_posix(): file.stat().st_size for file in written}
    _write(folder / ABOUT, about.model_copy(update={"files": files}).model_dump_json(indent=1))
    return len(lines)


def _write(path: Path, text: str) -> None:
    with written_beside(path) as beside:
        beside.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def _write_images(
    asked: Sequence[Asked], store: Store, folder: Path, form: Form
) -> tuple[list[list[object]], list[Path]]:
    """Write the images, and return the lines of the index, and the files or folders of pictures."""
    uses: dict[str, dict[str, None]] = {}
    firsts: list[np.ndarray] = []
    counts: dict[str, int] = {}
    for one in asked:
        names: list[str] = one.names.tolist()
        # Parts of a task may have slices in common; a sample is written once.
        first = np.array([name not in uses for name in names], dtype=np.bool_)
        firsts.append(first)
        counts[_stack_name(one)] = counts.get(_stack_name(one), 0) + int(first.sum())
        for name in names:
            uses.setdefault(name, {}).update(dict.fromkeys(one.uses))
    lines: list[list[object]] = []
    with ExitStack() as opened:
        stacks: dict[str, _Stack] = {}
        for one, first in zip(asked, firsts, strict=True):
            arrays = Samples(
                folders=[store.folder(one.arrays)],
                view=one.view,
                downsample=one.downsample,
                resampling=one.resampling,
            ).arrays
            key = _stack_name(one)
            if key not in stacks:
                shape = (counts[key], *arrays.images.shape[1:])
                stacks[key] = opened.enter_context(_stack(folder / key, shape, arrays.images.dtype, form))
            rows = stacks[key].add(arrays.images[first])
            names = one.names[first].tolist()
            for (row, file), name, place in zip(rows, names, _places(one, arrays, first), strict=True):
                lines.append([name, file, row, *place, "; ".join(uses[name])])
        paths = [stack.path for stack in stacks.values()]
    return lines, paths


def _stack_name(one: Asked) -> str:
    size = "x".join(map(str, one.size))
    return size if one.task.image_type == "uint8" else f"{size}-{one.task.image_type}"


def _places(one: Asked, arrays: TaskArrays, first: np.ndarray) -> Iterator[list[object]]:
    """Yield the size of each sample, and where in the volume it lies."""
    *deep, height, width = one.size
    reduction = one.task.downsample * one.downsample
    size = arrays.voxel_size_um
    edges = ["", "", ""] if size is None else [size[0], size[1] * one.downsample, size[2] * one.downsample]
    ids = parsed_ids(arrays.sample_id[first])
    for cube, z, corner in zip(ids.cube.tolist(), ids.z.tolist(), ids.corner.tolist(), strict=True):
        place = one.task.cubes[cube]
        # A corner at the end reaches to the last pixel that was loaded.
        ends = [
            (high - low) // one.task.downsample * one.task.downsample - length * reduction
            for (low, high), length in ((place.y, height), (place.x, width))
        ]
        y = place.y[0] + (ends[0] if corner.startswith("b") else 0)
        x = place.x[0] + (ends[1] if corner.endswith("r") else 0)
        yield [*(deep or [1]), height, width, cube, z, y, x, reduction, *edges]


@dataclass(frozen=True)
class _Stack:
    """Images of one size, written one after another."""

    path: Path
    add: Callable[[np.ndarray], list[tuple[int, str]]]
    """Writes images, and returns the place and the file of each, as the index names them."""


@contextmanager
def _stack(path: Path, shape: tuple[int, ...], dtype: "np.dtype[Any]", form: Form) -> Generator[_Stack]:
    count = 0

    def next_rows(images: np.ndarray) -> range:
        nonlocal count
        count += len(images)
        return range(count - len(images), count)

    if form == "npy":
        target = path.with_name(f"{path.name}.npy")
        with written_beside(target) as beside, beside.open("wb") as file:
            header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(file, header)

            def add(images: np.ndarray) -> list[tuple[int, str]]:
                file.write(np.ascontiguousarray(images).data)
                return [(row, target.name) for row in next_rows(images)]

            yield _Stack(target, add)
        return
    with written_beside(path) as beside:
        beside.mkdir()

        def draw(images: np.ndarray) -> list[tuple[int, str]]:
            names = [f"{row:06d}{'.png' if images.ndim == 3 else ''}" for row in next_rows(images)]
            for image, name in zip(images, names, strict=True):
                _draw(image, beside / name)
            return [(0, f"{path.name}/{name}") for name in names]

        yield _Stack(path, draw)


def _draw(image: np.ndarray, path: Path) -> None:
    """Write an image as a picture, or a subvolume as a folder of its slices."""
    from PIL import Image

    if image.ndim == 2:
        Image.fromarray(image).save(path)
        return
    path.mkdir()
    for z, one in enumerate(image):
        Image.fromarray(one).save(path / f"z{z}.png")
