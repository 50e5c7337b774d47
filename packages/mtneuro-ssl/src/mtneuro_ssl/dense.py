"""A map of embeddings: a dense grid of windows over a volume of any size, streamed to Zarr."""

import json
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import zarr
from jaxtyping import Bool, Float, Int64, UInt8

from mtneuro_ssl.loading import load_model
from mtneuro_ssl.model import Model, Progress
from mtneuro_ssl.reading import open_volume

FORMAT_VERSION = 1
ROW_WINDOWS = 512
"""Windows that a chunk of the map holds, about."""

_PICTURE_SIDE = 2000
_OPACITY = 0.65


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Windows over the slices of a volume, from its first corner on; what no whole window covers is left out.

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
        """Return the row of windows nearest to each, or every so many, of a slice's rows; columns likewise.

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

    def windows(self, strip: UInt8[np.ndarray, "rows x"]) -> UInt8[np.ndarray, "n h w"]:
        """Return the windows of rows of the grid, whose pixels the strip holds."""
        views = np.lib.stride_tricks.sliding_window_view(strip, self.window)
        return views[:: self.stride[0], :: self.stride[1]].reshape(-1, *self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What one worker does: some rows of the grid of one slice, which are one chunk of the map."""

    model: str
    volume: str
    out: str
    trusted: tuple[str, ...]
    grid: Grid
    z: int
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
    slices: Sequence[int] | None = None,
    batch_size: int = 256,
    executor: Executor | None = None,
    trusted: Collection[str] = (),
    progress: Progress | None = None,
) -> zarr.Array[Any]:
    """Return the embeddings of a grid of windows over every slice of a volume, as a Zarr array.

    Only the pixels of one chunk's rows are in memory. A map that was interrupted goes on with the chunks that
    are not there; a finished one is returned as it is.

    Parameters
    ----------
    model
        Model folder.
    volume
        Zarr array, OME-Zarr group, ``.npy``, ``.npz`` or images: uint8 ``(z, y, x)``.
    out
        Zarr array to write: float32 ``(z, y, x, feature)``, a row and column for each window, and the grid
        in its attributes.
    window
        Height and width of a window in pixels, of the size that the model was trained on.
    stride
        Pixels from one window to the next, along y and x; half a window by default.
    slices
        Which slices; all by default.
    batch_size
        Windows at a time.
    executor
        Where to work, as `mtneuro_ssl.cluster` gives it: processes, or a Dask cluster's workers. Here by
        default. Workers read the model and the volume, and write the map, by their paths.
    trusted
        As for `load_model`.
    progress
        Called with the chunks done and all chunks.

    Raises
    ------
    FileExistsError
        If ``out`` is the map of another model, volume or grid, or something else.
    ValueError
        If the window or the slices do not fit the volume.
    """
    source = open_volume(volume)
    loaded = load_model(model, trusted=trusted)
    size = (int(source.shape[1]), int(source.shape[2]))
    grid = Grid(size=size, window=window, stride=stride or (max(window[0] // 2, 1), max(window[1] // 2, 1)))
    chosen = list(range(source.shape[0])) if slices is None else list(slices)
    for z in chosen:
        if not 0 <= z < source.shape[0]:
            raise ValueError(f"slices must lie within [0, {source.shape[0]}), got {z}")
    array = _opened(Path(out), loaded, volume, grid, chosen)
    tasks = [
        _Task(
            model=str(Path(model).resolve()), volume=str(Path(volume).resolve()),
            out=str(Path(out).resolve()), trusted=tuple(trusted), grid=grid, z=z,
            rows=(start, min(start + array.chunks[1], grid.shape[0])), batch_size=batch_size,
            threads=torch.get_num_threads(),
        )
        for z in chosen
        for start in range(0, grid.shape[0], array.chunks[1])
    ]  # fmt: skip
    left = [task for task in tasks if not _chunk(array, Path(out), task, chosen).exists()]
    done = len(tasks) - len(left)
    for _ in _worked(left, chosen, executor):
        done += 1
        if progress is not None:
            progress(done, len(tasks))
    return array


def _opened(out: Path, model: Model, volume: Path | str, grid: Grid, slices: list[int]) -> zarr.Array[Any]:
    """Return the map's array: the one that is there, if it is of this work, or a new one without chunks."""
    rows, columns = grid.shape
    attributes = json.loads(
        json.dumps(
            {
                "format_version": FORMAT_VERSION,
                "model": model.settings.model_dump(),
                "weights": model.fingerprint(),
                "volume": str(volume),
                "grid": asdict(grid),
                "slices": slices,
            }
        )
    )
    if out.exists():
        with suppress(Exception):  # whatever zarr raises for what is no array of its own
            array = zarr.open_array(out, mode="r+")
            if dict(array.attrs) == attributes:
                return array
        raise FileExistsError(f"out must be new, or the map of this model, volume and grid, got {out}")
    return zarr.create_array(
        out,
        shape=(len(slices), rows, columns, model.dim),
        chunks=(1, min(max(ROW_WINDOWS // columns, 1), rows), columns, model.dim),
        dtype="float32",
        fill_value=float("nan"),
        dimension_names=["z", "y", "x", "feature"],
        attributes=attributes,
    )


def _chunk(array: zarr.Array[Any], out: Path, task: _Task, slices: list[int]) -> Path:
    place = (slices.index(task.z), task.rows[0] // array.chunks[1], 0, 0)
    key = array.metadata.encode_chunk_key(place)  # pyright: ignore[reportAttributeAccessIssue]  # v3 has it
    return out / key


def _worked(tasks: list[_Task], slices: list[int], executor: Executor | None) -> Iterator[None]:
    places = [slices.index(task.z) for task in tasks]
    if executor is None:
        for task, place in zip(tasks, places, strict=True):
            yield _embed_rows(task, place)
        return
    futures = [executor.submit(_embed_rows, task, place) for task, place in zip(tasks, places, strict=True)]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _embed_rows(task: _Task, place: int) -> None:
    # Another number of threads gives other last bits.
    torch.set_num_threads(task.threads)
    grid, (first, last) = task.grid, task.rows
    top = first * grid.stride[0]
    bottom = (last - 1) * grid.stride[0] + grid.window[0]
    strip = np.asarray(open_volume(task.volume)[task.z, top:bottom])
    embeddings = _model(task.model, task.trusted).embed(grid.windows(strip), batch_size=task.batch_size)
    array = zarr.open_array(task.out, mode="r+")
    array[place, first:last] = embeddings.reshape(last - first, grid.shape[1], -1)


@lru_cache(maxsize=2)
def _model(folder: str, trusted: tuple[str, ...]) -> Model:
    return load_model(folder, trusted=trusted)


def principal_colours(
    embeddings: Float[np.ndarray, "*grid features"], *, inside: Bool[np.ndarray, "*grid"] | None = None
) -> UInt8[np.ndarray, "*grid 3"]:
    """Return the first three principal components of embeddings as red, green and blue.

    Each component is shown by its rank, so that outliers do not darken the rest. With fewer than three
    features the other colours are dark.

    Parameters
    ----------
    embeddings
        Embeddings on a grid.
    inside
        Which of them to show; the components are theirs, and the others are black, as those are that are
        missing.
    """
    rows = embeddings.reshape(-1, embeddings.shape[-1]).astype(np.float64)
    shown = np.isfinite(rows).all(axis=1)
    if inside is not None:
        shown &= inside.ravel()
    colours = np.zeros((len(rows), 3), np.uint8)
    centred = rows[shown] - rows[shown].mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    ranks = (centred @ directions[:3].T).argsort(axis=0).argsort(axis=0)
    bright = np.rint(255 * ranks / max(len(ranks) - 1, 1)).astype(np.uint8)
    colours[np.flatnonzero(shown)[:, None], np.arange(bright.shape[1])] = bright
    return colours.reshape(*embeddings.shape[:-1], 3)


def colour_picture(
    embeddings: Float[np.ndarray, "rows columns features"], slice_: UInt8[np.ndarray, "y x"], grid: Grid
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a slice with the first three principal components of its windows' embeddings laid over it.

    What is no tissue stays grey. The picture has every pixel of the slice, or every so many of a large one.
    """
    inside = tissue_windows(slice_, grid)
    every = -(-max(slice_.shape) // _PICTURE_SIDE)
    rows, columns = grid.nearest_windows(every=every)
    colours = principal_colours(embeddings, inside=inside)[rows][:, columns]
    grey = np.broadcast_to(slice_[::every, ::every, None], colours.shape)
    over = np.rint(_OPACITY * colours + (1 - _OPACITY) * grey).astype(np.uint8)
    return np.where(inside[rows][:, columns, None], over, grey)


def tissue_windows(slice_: UInt8[np.ndarray, "y x"], grid: Grid) -> Bool[np.ndarray, "rows columns"]:
    """Return which windows are tissue: nine tenths brighter than a fifth of what is bright in the slice.

    What lies outside is black, or nearly so, and the edge between would outdo all that differs inside.
    Where no window passes for tissue, all are taken.
    """
    floor = np.percentile(slice_, 99) / 5
    inside = (grid.windows(slice_) > floor).mean(axis=(1, 2)).reshape(grid.shape) >= 0.9
    return inside if inside.any() else np.ones_like(inside)
