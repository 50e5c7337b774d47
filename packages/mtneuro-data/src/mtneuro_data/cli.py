"""The command line of mtneuro-data."""

import json
import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from mtneuro_data.settings import summary

if TYPE_CHECKING:
    from mtneuro_data.cache import Cache
    from mtneuro_data.task import TaskSpec

app = App(
    name="mtneuro-data",
    help=(
        "Cutouts, tasks and labels of the MTNeuro benchmark. Volumes are named by URI: "
        "bossdb://collection/experiment/channel, phantom://image, a Zarr, .npy, .npz, TIFF or image file, "
        "or a folder of images."
    ),
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)
cache_app = App(name="cache", help="What has been downloaded: list it, check it, clear it.")
app.command(cache_app)

Output = Annotated[Path, Parameter(name=["--output", "-o"])]
Splits = Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")]


@app.command
def tasks(name: str | None = None, /, *, source: str | None = None) -> None:
    """List the paper's tasks, or show one in full as JSON, with its counts.

    The JSON, less its last three keys, is a task file: save it, change it, and name the file wherever a
    task is asked for.

    Example: `mtneuro-data tasks roi-c1`

    Parameters
    ----------
    name
        A task's name, or a task file (.json, .toml; the original benchmark's JSON too).
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    """
    from mtneuro_data.paper import builtin_task, task_names

    if name is None:
        for each in task_names():
            counts = ", ".join(f"{split} {n}" for split, n in builtin_task(each).counts().items())
            print(f"{each:15} {builtin_task(each).kind:13} {counts}")
        return
    task = _task(name, source)
    resolved = task.model_dump(mode="json")
    resolved |= {"counts": task.counts(), "touching": task.touching(), "fingerprint": task.fingerprint}
    print(json.dumps(resolved, indent=1))


@app.command
def info(uri: str, /) -> None:
    """Show what a volume is: its shape, type and voxel size.

    Example: `mtneuro-data info bossdb://prasad/prasad2020/image`

    Parameters
    ----------
    uri
        The volume's URI or path.
    """
    from mtneuro_data.volume import open_volume

    volume = open_volume(uri)
    z, y, x = volume.shape
    size = volume.voxel_size_um
    print(f"uri            {volume.uri}")
    print(f"shape (z,y,x)  {z} x {y} x {x}")
    print(f"type           {volume.dtype}")
    print(
        "voxel size     " + ("not said" if size is None else " x ".join(f"{edge:g}" for edge in size) + " um")
    )
    print(f"bytes          {z * y * x * volume.dtype.itemsize:,}")


@app.command
def fetch(task: str, /, *, split: Splits = (), source: str | None = None) -> None:
    """Download a task's voxels into the cache, so that later loading needs no network.

    What is there already is not asked for again; an interrupted download goes on where it stopped.

    Example: `mtneuro-data fetch roi-c1 --split train val`

    Parameters
    ----------
    task
        A task's name or file.
    split
        The splits to fetch; all by default.
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    """
    from mtneuro_data.cache import Cache
    from mtneuro_data.loading import fetch as fetch_task

    spec = _task(task, source)
    wanted = spec.split_names(split or tuple(spec.splits))
    cache = Cache()
    with _bar("fetch") as progress:
        voxels = fetch_task(spec, wanted, cache=cache, progress=progress)
    print(f"{voxels:,} voxels of {spec.name} -> {cache.root}")


@app.command
def preview(task: str, /, *, output: Output, source: str | None = None) -> None:
    """Draw the middle slice of each of a task's cubes, and the same under its labels, as a PNG.

    Example: `mtneuro-data preview semantics --source phantom -o cubes.png`

    Parameters
    ----------
    task
        A task's name or file.
    output
        Picture to write, .png.
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    """
    from mtneuro_data.preview import contact_sheet
    from mtneuro_data.writing import written_beside

    spec = _task(task, source)
    _check_output(output, ".png")
    with _bar("preview") as progress:
        sheet = contact_sheet(spec, cache=_cache(spec), progress=progress)
    from PIL import Image

    with written_beside(output) as beside:
        Image.fromarray(sheet).save(beside, format="PNG")
    print(f"{len(spec.cubes)} cubes -> {output}")


@app.command
def export(
    task: str,
    /,
    *,
    split: Splits,
    output: Output,
    source: str | None = None,
    downsample: Literal[1, 2, 4] | None = None,
    z_step: int | None = None,
    corners: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write the images and labels of a task's splits as one .npz of plain arrays.

    The file holds images, region, sample_id, voxel_size_um, region_names, class_names and, where the
    task has them, masks. Read it with `numpy.load`.

    Example: `mtneuro-data export roi-c1 --split train val --downsample 2 -o train.npz`

    Parameters
    ----------
    task
        A task's name or file.
    split
        One split, or several in a row.
    output
        File to write, .npz.
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    downsample
        Reduce rows and columns by 2 or 4; by default as the task says.
    z_step
        Keep every so many-th image; by default as the task says.
    corners
        Cut every image into its four corners.
    """
    from mtneuro_data.loading import load

    changes = {"downsample": downsample, "z_step": z_step}
    spec = _task(task, source).replaced(**{key: value for key, value in changes.items() if value is not None})
    spec.split_names(split)
    _check_output(output, ".npz")
    with _bar("export") as progress:
        arrays = load(spec, split, cache=_cache(spec), progress=progress)
    arrays = arrays.corners() if corners else arrays
    arrays.save(output)
    print(f"{len(arrays)} images {arrays.images.shape[1:]} -> {output}")


@cache_app.command(name="list")
def list_cache() -> None:
    """List the channels in the cache, with their chunks and bytes.

    Example: `mtneuro-data cache list`
    """
    from mtneuro_data.cache import Cache

    cache = Cache()
    entries = cache.entries()
    for entry in entries:
        print(f"{entry.uri}  {entry.dtype}  {entry.chunks} chunks  {entry.n_bytes:,} bytes")
    total = sum(entry.n_bytes for entry in entries)
    print(f"{len(entries)} channels, {total:,} bytes in {cache.root}")


@cache_app.command
def verify() -> None:
    """Hash every chunk in the cache, and drop those that are damaged so that they are fetched again.

    Ends with status 1 if any was damaged.

    Example: `mtneuro-data cache verify`
    """
    from mtneuro_data.cache import Cache

    with _bar("verify") as progress:
        damaged = Cache().verify(progress=progress)
    for path in damaged:
        print(path)
    print(f"{len(damaged)} damaged chunks" + (", dropped" if damaged else ""))
    if damaged:
        sys.exit(1)


@cache_app.command
def clear(uri: str | None = None, /) -> None:
    """Remove everything from the cache, or one channel.

    Example: `mtneuro-data cache clear bossdb://prasad/prasad2020/image`

    Parameters
    ----------
    uri
        The channel's URI, as `cache list` shows it; everything by default.
    """
    from mtneuro_data.cache import Cache

    cache = Cache()
    print(f"{cache.clear(uri)} channels removed from {cache.root}")


def _task(name: str, source: str | None) -> "TaskSpec":
    from mtneuro_data.paper import builtin_task
    from mtneuro_data.task_file import read_task

    task = read_task(name) if name.endswith((".json", ".toml")) else builtin_task(name)
    return task if source is None else task.with_source(source)


def _cache(task: "TaskSpec") -> "Cache | None":
    """Return the user's cache for a task from a database; files and phantoms are near enough."""
    from mtneuro_data.cache import Cache

    return Cache() if task.image.startswith("bossdb://") else None


def _check_output(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        raise ValueError(f"--output must be named {suffix}, got {path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {path.parent}")


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with time left on stderr, and give the callback that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        job = bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            bar.update(job, completed=done, total=total)

        yield move


def main() -> None:
    """Run the command line; a mistake of the caller's is one line on stderr and status 2."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_none")
    except KeyboardInterrupt:
        print("mtneuro-data: interrupted; what was downloaded is kept", file=sys.stderr)
        sys.exit(130)
    except (CycloptsError, ValueError, OSError) as error:
        if os.environ.get("MTNEURO_TRACEBACK") == "1":
            raise
        _fail(_message(error))


def _message(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return summary(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
    return str(error)


def _fail(message: str) -> NoReturn:
    print(f"mtneuro-data: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
