"""The command line of mtneuro-ssl."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from pydantic import TypeAdapter, ValidationError

from mtneuro_ssl.processes import launch
from mtneuro_ssl.registry import METHODS, encoder_names
from mtneuro_ssl.settings import TrainSettings

if TYPE_CHECKING:
    import numpy as np
    import zarr

app = App(
    name="mtneuro-ssl",
    help="Learn representations of image volumes, and turn images into embeddings.",
    help_format="markdown",
    suppress_keyboard_interrupt=False,
)

Output = Annotated[Path, Parameter(name=["--output", "-o"])]

_DEFAULTS = ", ".join(
    f"`{name}={'none' if field.default is None else field.default}`"
    for name, field in TrainSettings.model_fields.items()
    if name not in {"method", "views"}  # an option of its own, and a table in the file
)


@app.command
def train(
    volume: Path,
    /,
    *,
    output: Output,
    method: str | None = None,
    labels: Path | None = None,
    settings: Path | None = None,
    tensorboard: Path | None = None,
    set_: Annotated[
        list[str] | None,
        Parameter(
            name="--set",
            negative="",
            help="One setting, as key=value; may be given several times, and goes before the file. "
            f"Settings and defaults: {_DEFAULTS}",
        ),
    ] = None,
) -> None:
    """Train a model on the images of a volume.

    An interrupted run goes on where it was when the same command is given again.

    Example: `mtneuro-ssl train images.npz --method byol -o byol --set epochs=20 --set batch_size=64`

    Parameters
    ----------
    volume
        Images: an .npz export (its images), an .npy array (n, y, x), or a Zarr.
    output
        Model folder to write.
    method
        How to learn; `mtneuro-ssl methods` lists the names. By default the settings' own, or byol.
    labels
        Class of each image, for supervised methods: an .npz (its region), .npy or Zarr. By default the region
        in the volume's .npz.
    settings
        Settings file (.toml or .json).
    tensorboard
        Folder for TensorBoard's logs; the run's bear the output's name.
    """
    chosen = _settings(settings, method=method, changes=set_ or [])
    from mtneuro_ssl.loggers import tensorboard_logger
    from mtneuro_ssl.reading import open_images, read_labels
    from mtneuro_ssl.training import train as train_model

    source = open_images(volume)
    region = source.labels if labels is None else read_labels(labels)
    supervised = chosen.entry.family == "supervised"
    with _bar(chosen.method) as progress:
        model = train_model(
            source.images,
            chosen,
            labels=region,
            out=output,
            class_names=source.class_names if supervised and labels is None else None,
            sample_id=source.sample_id,
            progress=progress,
            loggers=() if tensorboard is None else (tensorboard_logger(tensorboard, run=output.name),),
        )
    if launch().first:
        print(f"model of {model.dim} features -> {output}")


@app.command
def embed(
    model: Path,
    volume: Path,
    /,
    *,
    output: Output,
    corners: bool = False,
    trust: tuple[str, ...] = (),
    batch_size: int = 256,
) -> None:
    """Embed the images of a volume with a trained model.

    Example: `mtneuro-ssl embed byol images.npz -o embeddings.npz`

    Parameters
    ----------
    model
        Model folder.
    volume
        Images: an .npz export (its images and ids), an .npy array (n, y, x), or a Zarr.
    output
        Embeddings file to write (.npz).
    corners
        Embed the four corners of each image, of half its height and width, in place of the whole.
    trust
        A factory, as package.module:factory, that may be called to build the model's encoder.
    batch_size
        Images at a time.
    """
    if output.suffix != ".npz":
        raise ValueError(f"the embeddings file must end in .npz, got {output}")
    from mtneuro_ssl.embedding import corner_ids, save_embeddings
    from mtneuro_ssl.loading import load_model
    from mtneuro_ssl.reading import open_images
    from mtneuro_ssl.views import corner_crops

    loaded = load_model(model, trusted=trust)
    source = open_images(volume)
    images, ids = source.images, source.sample_id
    if corners:
        crops = corner_crops(images[:])
        images, ids = crops.reshape(-1, *crops.shape[2:]), corner_ids(ids)
    with _bar("embed") as progress:
        embeddings = loaded.embed(images, batch_size=batch_size, progress=progress)
    save_embeddings(output, embeddings, sample_id=ids)
    print(f"{len(embeddings)} embeddings of {embeddings.shape[1]} features -> {output}")


@app.command(name="map")
def map_(
    model: Path,
    volume: Path,
    /,
    *,
    output: Output,
    window: tuple[int, int],
    stride: tuple[int, int] | None = None,
    slices: tuple[int, int] | None = None,
    picture: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Embed a dense grid of windows over a volume of any size.

    An interrupted map goes on where it was when the same command is given again.

    Example: `mtneuro-ssl map byol slice.png -o map.zarr --window 64 64 --picture map.png`

    Parameters
    ----------
    model
        Model folder.
    volume
        Volume (z, y, x): a Zarr, an .npy array, a picture or a folder of pictures.
    output
        Zarr array to write, (z, y, x, feature) with a row and column for each window.
    window
        Height and width of a window in pixels.
    stride
        Pixels from one window to the next, along y and x. By default half a window.
    slices
        First slice, and the first that is left out. By default all.
    picture
        Picture to write (.png): the first slice, and over it the embeddings' first three principal components
        as red, green and blue.
    workers
        Processes of this machine that share the work.
    scheduler
        Share the work among the workers of this Dask scheduler, such as tcp://10.0.0.1:8786.
    trust
        A factory, as package.module:factory, that may be called to build the model's encoder.
    """
    if picture is not None and picture.suffix != ".png":
        raise ValueError(f"the picture must end in .png, got {picture}")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    if scheduler is not None and workers > 1:
        raise ValueError("--workers are of this machine, and --scheduler has its own: give one of the two")
    import numpy as np

    from mtneuro_ssl.cluster import cluster_executor, local_executor
    from mtneuro_ssl.dense import embedding_map
    from mtneuro_ssl.reading import open_volume

    sharing = local_executor(workers) if scheduler is None else cluster_executor(scheduler)
    with sharing as executor, _bar("map") as progress:
        found = embedding_map(
            model,
            volume,
            out=output,
            window=window,
            stride=stride,
            slices=None if slices is None else range(*slices),
            executor=executor,
            trusted=trust,
            progress=progress,
        )
    print(f"{found.shape[1]} x {found.shape[2]} windows of {found.shape[0]} slices -> {output}")
    if picture is not None:
        first = 0 if slices is None else slices[0]
        _save_map(picture, found, np.asarray(open_volume(volume)[first]))
        print(f"picture -> {picture}")


@app.command
def views(
    volume: Path,
    /,
    *,
    output: Output,
    model: Path | None = None,
    samples: int = 6,
    settings: Path | None = None,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Draw what a method is shown: a few images, two views of each, and with a model what it mines.

    Example: `mtneuro-ssl views images.npz -o views.png --settings run.toml --model myow`

    Parameters
    ----------
    volume
        Images, as for `train`.
    output
        Picture to write (.png): a row for each image.
    model
        Model folder, for a last column: the nearest view of another image.
    samples
        Images that are shown.
    settings
        Settings file (.toml or .json).
    set_
        One setting, as key=value; may be given several times, and goes before the file.
    trust
        A factory, as package.module:factory, that may be called to build the model's encoder.
    """
    if output.suffix != ".png":
        raise ValueError(f"the picture must end in .png, got {output}")
    chosen = _settings(settings, method=None, changes=set_ or [])
    from PIL import Image

    from mtneuro_ssl.loading import load_model
    from mtneuro_ssl.reading import read_images
    from mtneuro_ssl.sheet import view_sheet

    source = read_images(volume)
    sheet = view_sheet(
        source.images,
        chosen,
        model=None if model is None else load_model(model, trusted=trust),
        samples=samples,
        sample_id=source.sample_id,
    )
    Image.fromarray(sheet).save(output)
    print(f"{samples} images and their views -> {output}")


def _save_map(picture: Path, found: "zarr.Array[Any]", slice_: "np.ndarray") -> None:
    import numpy as np
    from PIL import Image

    from mtneuro_ssl.dense import Grid, colour_picture

    described: Any = found.attrs["grid"]
    grid = Grid(**{name: (pair[0], pair[1]) for name, pair in described.items()})
    Image.fromarray(colour_picture(np.asarray(found[0]), slice_, grid)).save(picture)


@app.command
def methods() -> None:
    """List the methods and encoders.

    Example: `mtneuro-ssl methods`
    """
    width = max(map(len, METHODS))
    for name, entry in METHODS.items():
        print(f"{name:{width}}  {entry.family:15}  {entry.summary}")
    print(f"encoders: {', '.join(encoder_names())}, timm/<model>, package.module:factory")


def _settings(path: Path | None, *, method: str | None, changes: list[str]) -> TrainSettings:
    values: dict[str, Any] = {} if path is None else dict(TrainSettings.values_in(path))
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise ValueError(f"--set takes key=value, got {change!r}")
        table, dot, inner = key.partition(".")
        value = None if text == "none" else text
        if dot:  # views.flip=0.5
            values[table] = {**dict(values.get(table, {})), inner: value}
        else:
            values[key] = value
    if method is not None:
        values["method"] = method
    # Lax, from text: "20" is an int where an int is asked for.
    return TypeAdapter(TrainSettings).validate_python(values)


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with time left on stderr, and give the callback that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def move(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield move


def main() -> None:
    """Run the command line; a mistake of the caller's is one line on stderr and status 2."""
    traced = os.environ.get("MTNEURO_TRACEBACK") == "1"
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_none")
    except CycloptsError as error:
        _fail(str(error))
    except (ValueError, OSError) as error:
        if traced:
            raise
        _fail(_one_line(error))
    except KeyboardInterrupt:
        print("mtneuro-ssl: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def _one_line(error: ValueError | OSError) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror}: {error.filename}"
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":  # ours, which says what was got
        return message
    key = ".".join(map(str, first["loc"]))
    return f"{key}: {message[0].lower()}{message[1:]}, got {first['input']!r}"


def _fail(message: str) -> None:
    print(f"mtneuro-ssl: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
