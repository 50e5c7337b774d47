"""The command line of mtneuro-data."""

import json
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
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

CITATION = """\
data           Prasad et al. 2020, A three-dimensional thalamocortical dataset for characterizing brain
               heterogeneity, Scientific Data 7; CC BY 4.0
benchmark      Quesada et al. 2022, MTNeuro, NeurIPS Datasets and Benchmarks
not for        clinical use: one healthy mouse brain, one modality, annotated by few people"""

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
def info(uri: str, /, *, source: str | None = None) -> None:
    """Show what a volume or a task is.

    Of a volume the shape, type and voxel size; of a task the images of each split and the share of each
    class by region and split, which reads all its labels.

    Example: `mtneuro-data info bossdb://prasad/prasad2020/image`

    Example: `mtneuro-data info semantics --source phantom`

    Parameters
    ----------
    uri
        The volume's URI or path, or a task's name or file.
    source
        For a task: other volumes with the same coordinates.
    """
    from mtneuro_data.paper import task_names
    from mtneuro_data.volume import open_volume

    if uri in task_names() or uri.endswith((".json", ".toml")):
        _task_info(_task(uri, source))
        return

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
    if uri.startswith("bossdb://prasad/"):
        print(CITATION)


@app.command
def fetch(
    task: str,
    /,
    *,
    split: Splits = (),
    source: str | None = None,
    double_read: Annotated[bool, Parameter(negative="")] = False,
) -> None:
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
    double_read
        Ask for every block until two answers agree; for a network that spoils data in passing.
    """
    from mtneuro_data.cache import Cache
    from mtneuro_data.loading import fetch as fetch_task
    from mtneuro_data.sources.boss import BossServer

    spec = _task(task, source)
    wanted = spec.split_names(split or tuple(spec.splits))
    cache = Cache()
    server = replace(BossServer.from_environment(), double_read=double_read)
    with _bar("fetch", speed=True) as progress:
        voxels = fetch_task(spec, wanted, cache=cache, server=server, progress=progress)
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
    format: Literal["tif", "zarr", "nii.gz"] | None = None,  # noqa: A002 - the option's name
    downsample: Literal[1, 2, 4] | None = None,
    z_step: int | None = None,
    corners: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write the images and labels of a task's splits: one .npz of plain arrays, or a volume a cube.

    The .npz holds images, region, sample_id, voxel_size_um, region_names, class_names and, where the
    task has them, masks. Read it with `numpy.load`. With --format, the output is a folder of volumes at
    full resolution, with the labels as they are kept: OME-Zarr 0.5 for napari and Neuroglancer, TIFF for
    ImageJ, NIfTI for ITK-SNAP.

    Example: `mtneuro-data export roi-c1 --split train val --downsample 2 -o train.npz`

    Example: `mtneuro-data export seg-2d-4class --split test --format nii.gz -o proofread`

    Parameters
    ----------
    task
        A task's name or file.
    split
        One split, or several in a row.
    output
        File to write, .npz; with --format a folder.
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    format
        Write a volume a cube in this format.
    downsample
        Reduce rows and columns by 2 or 4; by default as the task says.
    z_step
        Keep every so many-th image; by default as the task says.
    corners
        Cut every image into its four corners.
    """
    from mtneuro_data.exporting import export_cubes
    from mtneuro_data.loading import load

    changes = {"downsample": downsample, "z_step": z_step}
    spec = _task(task, source).replaced(**{key: value for key, value in changes.items() if value is not None})
    spec.split_names(split)
    if format is not None:
        if corners or downsample is not None or z_step is not None:
            raise ValueError("--format writes whole cubes: leave out --corners, --downsample and --z-step")
        _check_output(output, "")
        with _bar("export") as progress:
            files = export_cubes(
                spec, split, output, ending=f".{format}", cache=_cache(spec), progress=progress
            )
        print(f"{len(files)} volumes -> {output}")
        return
    _check_output(output, ".npz")
    with _bar("export") as progress:
        arrays = load(spec, split, cache=_cache(spec), progress=progress)
    arrays = arrays.corners() if corners else arrays
    arrays.save(output)
    print(f"{len(arrays)} images {arrays.images.shape[1:]} -> {output}")


@app.command
def cutout(
    uri: str,
    /,
    *,
    output: Output,
    z: str = "",
    y: str = "",
    x: str = "",
    cube: str | None = None,
    labels: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Write a box of any volume as .npy, .npz, .tif, .zarr (OME-Zarr 0.5), .nii or .nii.gz.

    OME-Zarr opens in napari and Neuroglancer, NIfTI in ITK-SNAP; labels corrected there are read back by
    giving the saved file wherever a volume is asked for.

    Example: `mtneuro-data cutout phantom://pixel_labels --cube A-CTX --z 110:380 --labels -o ctx.nii.gz`

    Parameters
    ----------
    uri
        The volume's URI or path.
    output
        File to write; its ending says the format.
    z
        Slices, as 110:380; all by default.
    y
        Rows, as 900:1156; all by default.
    x
        Columns, as 4600:4856; all by default.
    cube
        Rows and columns of one of the paper's cubes in place of --y and --x: A-CTX to D-ZI.
    labels
        The voxels are labels: reduce them by majority in the levels of an OME-Zarr.
    """
    from mtneuro_data.cache import Cache
    from mtneuro_data.saving import FORMATS, save_volume
    from mtneuro_data.volume import open_volume

    if not output.name.endswith(FORMATS):
        raise ValueError(f"--output must end in one of {', '.join(FORMATS)}, got {output.name}")
    _check_output(output, output.suffix)
    if cube is not None:
        y, x = _face(cube, y, x)
    volume = open_volume(uri, cache=Cache() if uri.startswith("bossdb://") else None)
    box = tuple(_range(text, size) for text, size in zip((z, y, x), volume.shape, strict=True))
    voxels = volume[box]
    save_volume(output, voxels, voxel_size_um=volume.voxel_size_um or (1.0, 1.0, 1.0), labels=labels)
    print(f"{' x '.join(map(str, voxels.shape))} {voxels.dtype} -> {output}")


@app.command
def correlation(
    task: str,
    /,
    *,
    output: Output,
    source: str | None = None,
    furthest: int = 30,
    threshold: float = 0.1,
) -> None:
    """Plot how alike slices are against their distance, and say which gap that calls for.

    Example: `mtneuro-data correlation roi-c1 --source phantom -o correlation.png`

    Parameters
    ----------
    task
        A task's name or file; the cubes of its first split are looked at.
    output
        Picture to write, .png.
    source
        Other volumes with the same coordinates: bossdb, phantom, or phantom?seed=7.
    furthest
        Largest distance, in slices.
    threshold
        Correlation below which two slices count as unlike.
    """
    from mtneuro_data.correlation import correlation_plot, task_correlations
    from mtneuro_data.writing import written_beside

    spec = _task(task, source)
    _check_output(output, ".png")
    with _bar("correlation") as progress:
        curves = task_correlations(spec, furthest=furthest, cache=_cache(spec), progress=progress)
    from PIL import Image

    with written_beside(output) as beside:
        Image.fromarray(correlation_plot(curves, threshold=threshold)).save(beside, format="PNG")
    for name, curve in curves.items():
        gap = curve.gap(threshold)
        first = ", ".join(f"{value:.2f}" for value in curve.correlation[1:8])
        words = f"more than {len(curve.correlation) - 1}" if gap is None else str(gap)
        print(f"{name:10} correlation at 1, 2, ... slices: {first}; gap {words}")
    gaps = [curve.gap(threshold) for curve in curves.values()]
    known = [gap for gap in gaps if gap is not None]
    if len(known) == len(gaps):
        print(f"leave {max(known)} slices between train and test; the task leaves {spec.z_buffer}")
    else:
        print(f"no gap up to {furthest} slices makes all cubes unlike; the task leaves {spec.z_buffer}")


@app.command
def interpolate(
    uri: str,
    /,
    *,
    slices: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")],
    output: Output,
    undecided: int = 255,
) -> None:
    """Fill the label slices between annotated ones, and mark what cannot be decided.

    Example: `mtneuro-data interpolate labels.nii.gz --slices 0 50 100 -o filled.nii.gz`

    Parameters
    ----------
    uri
        A volume of labels in which some slices are annotated.
    slices
        The annotated slices, ascending.
    output
        File to write; its ending says the format, as in cutout.
    undecided
        Label for the pixels that a person must decide.
    """
    import numpy as np

    from mtneuro_data.interpolation import interpolated_labels
    from mtneuro_data.saving import FORMATS, save_volume
    from mtneuro_data.volume import open_volume

    if not output.name.endswith(FORMATS):
        raise ValueError(f"--output must end in one of {', '.join(FORMATS)}, got {output.name}")
    _check_output(output, output.suffix)
    volume = open_volume(uri)
    depth = volume.shape[0]
    if any(not 0 <= at < depth for at in slices):
        raise ValueError(f"--slices must lie within [0, {depth}), got {list(slices)}")
    annotated = np.concatenate([volume[at : at + 1, :, :] for at in slices])
    with _bar("interpolate") as progress:
        filled = interpolated_labels(annotated, np.array(slices), undecided=undecided, progress=progress)
    size = volume.voxel_size_um or (1.0, 1.0, 1.0)
    save_volume(output, filled, voxel_size_um=size, labels=True)
    share = float((filled == undecided).mean())
    print(f"{len(filled)} slices from {slices[0]} on, {share:.2%} undecided ({undecided}) -> {output}")


@app.command
def doctor() -> None:
    """Check the cache, the host, the credentials, the benchmark's channels and a small cutout of each.

    Ends with status 1 if anything is not as it should be.

    Example: `mtneuro-data doctor`
    """
    from mtneuro_data.doctor import findings

    well = True
    for finding in findings():
        print(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.what}: {finding.words}", flush=True)
        well = well and finding.ok
    if not well:
        sys.exit(1)


@app.command
def serve(
    channels: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    levels: int = 4,
    token: str | None = None,
    writable: Annotated[bool, Parameter(negative="")] = False,
    faults: float = 0.0,
    fault_seed: int = 0,
) -> None:
    """Serve volumes as a BossDB database on this machine, until Ctrl-C.

    The intern client, its array, and any script written for BossDB work against it; so does every
    command here, with the variables that it prints. Without channels the phantom's three are served
    under the names of the benchmark's own.

    Example: `mtneuro-data serve lab/scan/em=volume.zarr`

    Parameters
    ----------
    channels
        What to serve: collection/experiment/channel=URI, as many as you like.
    host
        Address to listen on; the loopback address keeps others out.
    port
        Port to listen on; 0 takes a free one.
    levels
        Resolution levels to offer; rows and columns halve with each.
    token
        Accept this token only.
    writable
        Take uploads too, into .npy files and Zarr arrays.
    faults
        Share of answers to spoil on purpose, 0 to 1; to try a client against a bad network.
    fault_seed
        Which answers to spoil.
    """
    from mtneuro_data.serving import Catalogue, Faults, VolumeServer
    from mtneuro_data.serving.zarr_view import neuroglancer_link
    from mtneuro_data.task import CHANNELS
    from mtneuro_data.volume import open_volume

    pairs = channels or tuple(
        f"{uri.removeprefix('bossdb://')}=phantom://{name}" for name, uri in CHANNELS.items()
    )
    volumes = {path: open_volume(uri, writable=writable) for path, uri in map(_channel, pairs)}
    catalogue = Catalogue(volumes, levels=levels)
    bad = Faults(rate=faults, seed=fault_seed) if faults else None
    server = VolumeServer(catalogue, host=host, port=port, token=token, writable=writable, faults=bad)
    at = server.address
    for path, volume in volumes.items():
        print(f"bossdb://{path}  {volume.shape}  {volume.dtype}  {volume.uri}")
    print(f"export INTERN_PROTOCOL=http INTERN_HOST={at.host}" + (f" INTERN_TOKEN={token}" if token else ""))
    print(neuroglancer_link(catalogue, f"http://{at.host}"), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    finally:
        server.close()


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
    from mtneuro_data.task_file import TouchingCubesWarning, read_task

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", TouchingCubesWarning)
        task = read_task(name) if name.endswith((".json", ".toml")) else builtin_task(name)
    for warning in told:
        print(f"mtneuro-data: warning: {warning.message}", file=sys.stderr)
    return task if source is None else task.with_source(source)


def _task_info(task: "TaskSpec") -> None:
    from mtneuro_data.loading import load

    print(f"task           {task.name}, {task.kind}")
    print(f"regions        {', '.join(task.regions)}")
    print(f"fingerprint    {task.fingerprint}")
    for split, count in task.counts().items():
        print(f"{split:14} {count} images")
    for one, cube, two, other in task.touching():
        print(f"touching       {cube} of {one} and {other} of {two}")
    if task.kind == "region":
        return
    for split in task.splits:
        with _bar(split) as progress:
            shares = load(task, split, cache=_cache(task), progress=progress).class_shares()
        for region, classes in shares.items():
            listed = ", ".join(f"{name} {share:.2%}" for name, share in classes.items())
            print(f"{split:8} {region:5} {listed}")


def _face(cube: str, y: str, x: str) -> tuple[str, str]:
    from mtneuro_data.paper import builtin_task
    from mtneuro_data.settings import nearest

    cubes = builtin_task("roi-c3").cubes
    if y or x:
        raise ValueError("--cube stands in place of --y and --x, got both")
    if cube not in cubes:
        raise ValueError(f'unknown cube "{cube}"; {nearest(cube, cubes)}')
    return "{}:{}".format(*cubes[cube].y), "{}:{}".format(*cubes[cube].x)


def _range(text: str, size: int) -> slice:
    parts = text.split(":") if text else ["0", str(size)]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f"a range is given as first:end, such as 110:380, got {text}")
    lo, hi = int(parts[0]), int(parts[1])
    if not lo < hi <= size:
        raise ValueError(f"a range must satisfy 0 <= first < end <= {size}, got {text}")
    return slice(lo, hi)


def _channel(pair: str) -> tuple[str, str]:
    path, mark, uri = pair.partition("=")
    if not mark:
        raise ValueError(f"a channel is given as collection/experiment/channel=URI, got {pair}")
    return path.removeprefix("bossdb://"), uri


def _cache(task: "TaskSpec") -> "Cache | None":
    """Return the user's cache for a task from a database; files and phantoms are near enough."""
    from mtneuro_data.cache import Cache

    return Cache() if task.image.startswith("bossdb://") else None


def _check_output(path: Path, suffix: str) -> None:
    if path.suffix != suffix:
        wanted = f"named {suffix}" if suffix else "a folder's name without an ending"
        raise ValueError(f"--output must be {wanted}, got {path.name}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: there is no folder {path.parent}")


@contextmanager
def _bar(what: str, *, speed: bool = False) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with time left on stderr, and give the callback that moves it."""
    from rich import progress as bars
    from rich.console import Console

    columns = [bars.TextColumn(what), bars.BarColumn(), bars.TaskProgressColumn()]
    # A voxel is kept as a byte, so voxels a second are bytes a second.
    columns += [bars.TransferSpeedColumn()] if speed else []
    columns += [bars.TimeRemainingColumn()]
    console = Console(stderr=True)
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
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
