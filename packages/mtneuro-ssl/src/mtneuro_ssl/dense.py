"""Embed a dense grid of windows over a volume of any size, streamed to Zarr."""

import json
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from jaxtyping import Int64, Real

from mtneuro_ssl._shared.files import remove
from mtneuro_ssl._shared.intensity import Window
from mtneuro_ssl._shared.pixels import check_image_type
from mtneuro_ssl._shared.volume_file import Ranges
from mtneuro_ssl._shared.workers import results
from mtneuro_ssl.files import absolute, open_images
from mtneuro_ssl.fitting import fitted
from mtneuro_ssl.model import Model
from mtneuro_ssl.model_folder import load_model
from mtneuro_ssl.subvolumes import slices_at, subvolume_rows
from mtneuro_ssl.types import Progress

FORMAT_VERSION = 1
ROW_WINDOWS = 512
"""Number of windows in a chunk of the map, roughly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid of windows over a slice, from its first corner; edges without a whole window are left out.

    Examples
    --------
    >>> Grid(size=(100, 64), window=(32, 32), stride=(16, 32)).shape
    (5, 2)
    """

    size: tuple[int, int]
    """Height and width of a slice in pixels."""

    window: tuple[int, int]
    """Height and width of a window in pixels."""

    stride: tuple[int, int]
    """Pixels from one window to the next, along y and x."""

    def __post_init__(self) -> None:
        for axis, size, window, stride in zip("yx", self.size, self.window, self.stride, strict=True):
            if not 1 <= window <= size:
                raise ValueError(f"the window must be 1 to {size} pixels along {axis}, got {window}")
            if stride < 1:
                raise ValueError(f"the stride must be at least 1 along {axis}, got {stride}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        (y, x), (h, w), (sy, sx) = self.size, self.window, self.stride
        return (y - h) // sy + 1, (x - w) // sx + 1

    def nearest_windows(self, *, every: int = 1) -> tuple[Int64[np.ndarray, " y"], Int64[np.ndarray, " x"]]:
        """Return the nearest row of windows for each row of pixels, and likewise for columns.

        With ``every`` above 1, only every second row and column is looked up, or every third, and so on.

        Examples
        --------
        >>> Grid(size=(6, 8), window=(2, 4), stride=(2, 4)).nearest_windows()
        (array([0, 0, 1, 1, 2, 2]), array([0, 0, 0, 0, 1, 1, 1, 1]))
        """
        found: list[Int64[np.ndarray, " pixels"]] = []
        for size, window, stride, count in zip(self.size, self.window, self.stride, self.shape, strict=True):
            centre = (np.arange(0, size, every) - (window - 1) / 2) / stride
            found.append(np.rint(centre).clip(0, count - 1).astype(np.int64))
        return found[0], found[1]

    def windows(self, strip: Real[np.ndarray, "*z rows x"]) -> Real[np.ndarray, "n *z h w"]:
        """Return the windows of some rows of the grid; the strip holds the pixels of those rows.

        Windows of several slices ``(z, rows, x)`` are as deep.
        """
        views = np.lib.stride_tricks.sliding_window_view(strip, self.window, axis=(-2, -1))
        views = views[..., :: self.stride[0], :: self.stride[1], :, :]
        depth = strip.shape[:-2]
        return np.moveaxis(views, (-4, -3), (0, 1)).reshape(-1, *depth, *self.window)


def grid_of(array: zarr.Array[Any]) -> Grid:
    """Return the grid of a map that `embedding_map` wrote."""
    described: Any = array.attrs["grid"]
    return Grid(**{name: (pair[0], pair[1]) for name, pair in described.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One piece of work: some rows of the grid of one slice or subvolume, which are one chunk of the map."""

    model: str
    volume: str
    out: str
    trusted: tuple[str, ...]
    device: str | None
    ranges: Ranges | None
    intensity: Window | None
    voxel_size_um: tuple[float, ...] | None
    grid: Grid
    z: tuple[int, ...]
    """Index of the slice in the volume, or of each slice of the subvolume."""

    place: int
    """Index of the slice, or of the subvolume, in the map."""

    rows: tuple[int, int]
    batch_size: int
    threads: int


def embedding_map(
    model: Path | str,
    volume: Path | str,
    *,
    out: Path | str,
    window: tuple[int, int],
    stride: tuple[int, int] | None = None,
    ranges: Ranges | None = None,
    replace: bool = False,
    intensity: Window | None = None,
    voxel_size_um: tuple[float, float, float] | None = None,
    slices: Sequence[int] | None = None,
    batch_size: int = 256,
    executor: Executor | None = None,
    trusted: Collection[str] = (),
    device: str | None = None,
    progress: Progress | None = None,
) -> zarr.Array[Any]:
    """Return the embeddings of a grid of windows over every slice of a volume, as a Zarr array.

    A model of subvolumes embeds windows of as many slices as it was trained on, one stack of slices after
    another, which do not overlap. Only the pixels of one chunk's rows are held in memory. An interrupted map
    is continued with the chunks that are missing; a finished one is returned as it is.

    Parameters
    ----------
    model
        Model folder.
    volume
        Path or URI of a volume ``(z, y, x)``: a Zarr array, OME-Zarr group, ``.npy``, ``.npz``, or
        whatever an installed package opens through the entry point ``mtneuro.volumes``.
    out
        Zarr array to write: float32 ``(z, y, x, feature)``, a row and column for each window, and the grid
        in its attributes. Along z it has an entry for each slice, or for each subvolume.
    window
        Height and width of a window in pixels, of the size that the model was trained on.
    stride
        Pixels from one window to the next, along y and x; half a window by default.
    ranges
        The part of the volume to map; all by default.
    replace
        Whether a map of another model, volume or grid, if one is there, is replaced.
    intensity
        Intensities that become black and white; by default as the model was trained.
    voxel_size_um
        Voxel size ``(z, y, x)`` in micrometres, where the volume does not state it; for models that are
        `fitted` to it.
    slices
        Which slices of that part; all by default. For a model of subvolumes, the first slice of each.
    batch_size
        Number of windows to embed at a time.
    executor
        What runs the work, such as a ``ProcessPoolExecutor``, or Dask's ``client.get_executor(pure=False)``;
        by default the caller's own process. Workers open the model, the volume and the map by their paths.
    trusted, device
        As for `load_model`.
    progress
        Called with the number of chunks done and of all.

    Raises
    ------
    FileExistsError
        If ``out`` is no map, or, unless ``replace``, the map of another model, volume or grid.
    ValueError
        If the window or the slices do not fit the volume.
    """
    source = open_images(volume, ranges=ranges, intensity=intensity)
    count, height, width = source.images.shape
    size = voxel_size_um or source.voxel_size_um
    loaded = fitted(load_model(model, trusted=trusted, device=device), voxel_size_um=size)
    check_image_type(source.images, loaded.settings)
    half = (max(window[0] // 2, 1), max(window[1] // 2, 1))
    grid = Grid(size=(height, width), window=window, stride=stride or half)
    depth = loaded.settings.depth
    deep, thick = ((), 1) if depth is None else ((depth,), depth)
    for z in slices or ():
        if not 0 <= z <= count - thick:
            raise ValueError(f"slices must lie within [0, {count - thick + 1}), got {z}")
    if slices is not None:
        stacks = np.add.outer(np.array(slices, np.int64), np.arange(thick))
    elif depth is None:
        stacks = np.arange(count)[:, None]
    else:
        stacks = subvolume_rows(source.sample_id, depth=depth)
    chosen = stacks[:, 0].tolist()
    # A model that does not take such windows says so here.
    loaded.embed(np.zeros((1, *deep, *window), np.uint8))
    attributes: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "model": loaded.settings.model_dump(),
        "weights": loaded.fingerprint(),
        "volume": str(volume),
        "grid": asdict(grid),
        "slices": chosen,
    }
    if ranges is not None:
        attributes |= {"lower": source.lower, "shape": source.images.shape}
    if intensity is not None:
        attributes["intensity"] = intensity
    array = _opened(Path(out), attributes, grid, features=loaded.dim, replace=replace)
    tasks = [
        _Task(
            model=str(Path(model).resolve()), volume=absolute(volume), out=str(Path(out).resolve()),
            trusted=tuple(trusted), device=device, ranges=ranges, intensity=intensity,
            voxel_size_um=size, grid=grid, z=tuple(stack), place=place,
            rows=(start, min(start + array.chunks[1], grid.shape[0])), batch_size=batch_size,
            threads=torch.get_num_threads(),
        )
        for place, stack in enumerate(stacks.tolist())
        for start in range(0, grid.shape[0], array.chunks[1])
    ]  # fmt: skip
    left = [task for task in tasks if not _chunk(array, Path(out), task).exists()]
    finished = len(tasks) - len(left)
    for done, _ in enumerate(results(_embed_rows, left, executor=executor), start=finished + 1):
        if progress is not None:
            progress(done, len(tasks))
    return array


def _opened(
    out: Path, attributes: dict[str, Any], grid: Grid, *, features: int, replace: bool
) -> zarr.Array[Any]:
    """Return the map's array: the existing one if its attributes agree, or a new one without chunks."""
    rows, columns = grid.shape
    attributes = json.loads(json.dumps(attributes))
    if out.exists():
        array = _map_at(out)
        if array is None:
            raise FileExistsError(f"out must be new, or the map of this model, volume and grid, got {out}")
        if _on_any_device(array.attrs) == _on_any_device(attributes):
            return array
        if not replace:
            raise FileExistsError(
                f"out must be new, or the map of this model, volume and grid, got {out}, another map; "
                "--force (replace=True) replaces it"
            )
        remove(out)
    return zarr.create_array(
        out,
        shape=(len(attributes["slices"]), rows, columns, features),
        chunks=(1, min(max(ROW_WINDOWS // columns, 1), rows), columns, features),
        dtype="float32",
        fill_value=float("nan"),
        dimension_names=["z", "y", "x", "feature"],
        attributes=attributes,
    )


def _map_at(path: Path) -> zarr.Array[Any] | None:
    """Return the map in a folder, to be written, or None if it holds anything else."""
    with suppress(Exception):  # whatever zarr raises for what is no array of its own
        array = zarr.open_array(path, mode="r+")
        if array.dtype == np.float32 and {"grid", "model", "weights"} <= set(array.attrs):
            return array
    return None


def _on_any_device(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {**attributes, "model": {**attributes["model"], "device": None}}


def _chunk(array: zarr.Array[Any], out: Path, task: _Task) -> Path:
    place = (task.place, task.rows[0] // array.chunks[1], 0, 0)
    key = array.metadata.encode_chunk_key(place)  # pyright: ignore[reportAttributeAccessIssue]  # v3 has it
    return out / key


def _embed_rows(task: _Task) -> None:
    # Another number of threads gives other last bits.
    torch.set_num_threads(task.threads)
    grid, (first, last) = task.grid, task.rows
    top = first * grid.stride[0]
    bottom = (last - 1) * grid.stride[0] + grid.window[0]
    images = open_images(task.volume, ranges=task.ranges, intensity=task.intensity).images
    strip = slices_at(images, np.array(task.z), (slice(top, bottom),))
    model = _cached_model(task.model, task.trusted, task.device, task.voxel_size_um)
    if model.settings.depth is None:
        strip = strip[0]
    embeddings = model.embed(grid.windows(strip), batch_size=task.batch_size)
    array = zarr.open_array(task.out, mode="r+")
    array[task.place, first:last] = embeddings.reshape(last - first, grid.shape[1], -1)


@lru_cache(maxsize=2)
def _cached_model(
    folder: str, trusted: tuple[str, ...], device: str | None, voxel_size_um: tuple[float, ...] | None
) -> Model:
    return fitted(load_model(folder, trusted=trusted, device=device), voxel_size_um=voxel_size_um)
