"""The command line of mtneuro-seg."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from mtneuro_seg.networks import model_names, network
from mtneuro_seg.settings import SweepSettings, TrainSettings, default_class_names, paper_settings
from mtneuro_seg.settings_file import load_settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtneuro_seg.intervals import ScoreIntervals

app = App(
    name="mtneuro-seg",
    help="Segment microstructure in image volumes with the 2D and 3D networks of the MTNeuro benchmark.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,
)

Output = Annotated[Path, Parameter(name=["--output", "-o", "--out"])]


@app.command
def train(
    images: Path,
    labels: Path | None = None,
    *,
    out: Output,
    settings: Annotated[TrainSettings | None, Parameter(name="*")] = None,
    config: Path | None = None,
    paper: bool = False,
    validation: Path | None = None,
    validation_labels: Path | None = None,
    depth: int = 8,
    depth_overlap: float = 0.0,
    curves: Path | None = None,
) -> None:
    """Train a network on labelled images and write its folder.

    An interrupted training goes on where it was when the command is given again; a finished one is not
    repeated.

    Example: mtneuro-seg train train.npz --model unet --epochs 5 -o models/unet

    Parameters
    ----------
    images
        Images (n, y, x), or subvolumes (n, z, y, x) for a 3D network: the .npz that `mtneuro-data export`
        writes, a .npy, or a Zarr array.
    labels
        Their labels in the same shape; not needed when the .npz of IMAGES holds `masks`.
    out
        Folder for the model.
    settings
        How to build and train the network.
    config
        Settings from a .toml or .json file, or from a network file of the original benchmark; those on the
        command line go before.
    paper
        Take learning rate and batch size from the paper's Table A4, for --model and --classes.
    validation
        Images to score after each epoch.
    validation_labels
        Their labels, where the validation file does not hold them.
    depth
        Slices of a subvolume, where a 3D network is given images (n, y, x); none crosses a region's end.
    depth_overlap
        Share of a training subvolume that the next one covers again.
    curves
        Draw the learning curves here (.png, .pdf, .svg).
    """
    from mtneuro_seg.volumes import load_volume

    volume = load_volume(images)
    chosen = _settings(settings, volume.class_names, config=config, paper=paper)
    masks = _labels(images, labels)
    held_out = None
    if validation is not None:
        held_out = (load_volume(validation).array, _labels(validation, validation_labels))
    names = volume.class_names
    if names is not None and len(names) != chosen.classes:
        raise ValueError(
            f"classes must be {len(names)}, as {str(images)!r} has ({', '.join(names)}), got {chosen.classes}"
        )
    if curves is not None:
        _check_figure(curves)
    array = volume.array
    if chosen.network.axes == 3 and array.ndim == masks.ndim == 3:
        array, masks = _cut(images, (array, masks), depth=depth, overlap=depth_overlap)
        if held_out is not None and validation is not None and held_out[0].ndim == 3:
            held_out = _cut(validation, held_out, depth=depth, overlap=0.0)
    from mtneuro_seg.training import train as train_network

    with _bar("training") as progress:
        model = train_network(
            array,
            chosen,
            masks=masks,
            out=out,
            validation=held_out,
            class_names=names,
            progress=progress,
        )
    last = model.history[-1]
    line = f"{chosen.model}: {last['step']} steps, loss {last['loss']:.4f}"
    if held_out is not None:
        line += f", validation mean IoU {last['val_iou']:.3f}, mean F1 {last['val_f1']:.3f}"
    print(f"{line}\nwritten to {out}")
    if curves is not None:
        from mtneuro_seg.figures import learning_curves_figure

        _save(learning_curves_figure(model.history, title=chosen.network.title), curves)


def _cut(images: Path, arrays: tuple[Any, Any], *, depth: int, overlap: float) -> tuple[Any, Any]:
    """Return images and masks as subvolumes, none of which crosses a region's end."""
    from mtneuro_seg.subvolumes import subvolume_slices

    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"labels must have the images' shape {arrays[0].shape}, got {arrays[1].shape}")
    count = len(arrays[0])
    cuts = subvolume_slices(count, depth=depth, overlap=overlap, groups=_groups(images, count))
    return arrays[0][cuts], arrays[1][cuts]


@app.command
def evaluate(
    folder: Path,
    images: Path,
    labels: Path | None = None,
    *,
    batch_size: int = 8,
    figure: Path | None = None,
    intervals: bool = False,
    block: int = 10,
) -> None:
    """Score a model on labelled images: F1 and IoU of every class, and their means.

    Example: mtneuro-seg evaluate models/unet test.npz --figure test.png

    Parameters
    ----------
    folder
        The model's folder.
    images
        Images to score it on.
    labels
        Their labels, where IMAGES does not hold them.
    batch_size
        Images at once.
    figure
        Write image, truth and prediction of up to four images here (.png, .pdf, .svg).
    intervals
        Print 95 % intervals too, by a bootstrap over blocks of neighbouring images.
    block
        Images of a block.
    """
    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.intervals import bootstrap_intervals, confusion_per_image
    from mtneuro_seg.metrics import scores, scores_per_image
    from mtneuro_seg.model import load_model
    from mtneuro_seg.volumes import load_volume

    model = load_model(folder)
    array = load_volume(images).array
    truth = _labels(images, labels)
    if truth.shape != array.shape:
        raise ValueError(f"labels must have the images' shape {array.shape}, got {truth.shape}")
    if figure is not None:
        _check_figure(figure)
    classes = model.settings.classes
    with _bar("predicting") as progress:
        prediction = predict_labels(model, array, batch_size=batch_size, progress=progress)
    ignore = model.settings.ignore_label
    confusions = confusion_per_image(truth, prediction, classes=classes, ignore=ignore)
    pooled = scores(confusions.sum(axis=0))
    single = scores_per_image(truth, prediction, classes=classes, ignore=ignore)
    print(f"{'class':<18}{'F1':>8}{'IoU':>8}   {'F1 *':>8}{'IoU *':>8}")
    rows = [*zip(model.class_names, pooled.f1, pooled.iou, single.f1, single.iou, strict=True)]
    rows.append(("mean", pooled.mean_f1, pooled.mean_iou, single.mean_f1, single.mean_iou))
    for name, *values in rows:
        first, second, third, fourth = ("–" if value != value else f"{value:.3f}" for value in values)
        print(f"{name:<18}{first:>8}{second:>8}   {third:>8}{fourth:>8}")
    print("* mean over images of each image's score; the others are from the counts of all images")
    if intervals:
        groups = _groups(images, len(array))
        _print_intervals(model.class_names, bootstrap_intervals(confusions, block=block, groups=groups))
    if figure is not None:
        _write_figure(figure, array, truth, prediction, model.class_names)


def _groups(images: Path, count: int) -> Any:
    """Return which region each image is from, where the file says it."""
    from mtneuro_seg.volumes import load_region

    region = load_region(images) if images.suffix == ".npz" else None
    return region if region is not None and len(region) == count else None


def _print_intervals(names: tuple[str, ...], found: "ScoreIntervals") -> None:
    low, high = found.low, found.high
    rows = [*zip(names, low.f1, high.f1, low.iou, high.iou, strict=True)]
    rows.append(("mean", low.mean_f1, high.mean_f1, low.mean_iou, high.mean_iou))
    print(f"\n{f'{found.level:.0%} interval':<18}{'F1':>15}{'IoU':>15}")
    for name, *ends in rows:
        first, last = (f"{a:.3f} – {b:.3f}" for a, b in (ends[:2], ends[2:]))
        print(f"{name:<18}{first:>15}{last:>15}")


def _write_figure(path: Path, images: Any, truth: Any, prediction: Any, class_names: tuple[str, ...]) -> None:
    import numpy as np

    from mtneuro_seg.figures import segmentation_figure

    shown = np.unique(np.linspace(0, len(images) - 1, 4).astype(int))
    drawn = segmentation_figure(
        images[shown], truth[shown], prediction[shown], class_names=class_names, errors=True
    )
    _save(drawn, path)


def _check_figure(path: Path) -> None:
    if path.suffix not in {".png", ".pdf", ".svg"}:
        raise ValueError(f"a figure must be a .png, .pdf or .svg, got {str(path)!r}")


def _save(drawn: "Figure", path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    drawn.savefig(beside, dpi=150, format=path.suffix[1:])
    beside.replace(path)
    print(f"figure written to {path}")


@app.command
def render(
    labels: Path,
    *,
    out: Output,
    step: int = 1,
    size: int = 400,
) -> None:
    """Draw the labelled structures of a volume as shaded surfaces in 3D; no display is needed.

    Example: mtneuro-seg render labels.zarr -o labels.png

    Parameters
    ----------
    labels
        Labels (z, y, x): a .npz with `masks`, a .npy, a Zarr array or an OME-Zarr group.
    out
        The picture to write (.png, .pdf, .svg).
    step
        Use every so many voxels along each axis, for a large volume.
    size
        Pixels along each side of the picture.
    """
    _check_figure(out)
    if step < 1 or size < 1:
        raise ValueError(f"step and size must be at least 1, got {step} and {size}")
    import numpy as np

    from mtneuro_seg.surfaces import surface_figure
    from mtneuro_seg.volumes import open_volume

    volume = open_volume(labels, key="masks")
    if volume.array.ndim != 3:
        raise ValueError(f"labels must have axes (z, y, x), got shape {tuple(volume.array.shape)}")
    thinned = np.asarray(volume.array[::step, ::step, ::step])
    names = volume.class_names or default_class_names(max(int(thinned.max()) + 1, 2))
    drawn = surface_figure(
        thinned, class_names=names, voxel_size_um=volume.voxel_size_um or (1, 1, 1), size=size
    )
    _save(drawn, out)


@app.command
def predict(
    folder: Path,
    volume: Path,
    *,
    out: Output,
    sweep: Annotated[SweepSettings | None, Parameter(name="*", consume_multiple=True)] = None,
    probabilities: Path | None = None,
    device: Literal["cpu", "cuda"] | None = None,
    scheduler: str | None = None,
) -> None:
    """Label a volume of any size, or a set of images, with a model.

    A window slides over the volume, and overlapping windows are blended. To a .zarr, labels are written shard
    by shard in constant memory; an interrupted prediction goes on where it was when the command is given
    again.

    Example: mtneuro-seg predict models/unet brain.zarr -o labels.zarr

    Parameters
    ----------
    folder
        The model's folder.
    volume
        A volume (z, y, x) as a Zarr array, an OME-Zarr group or a .npy; or images, in a .npz too.
    out
        Labels to write, uint8 in the shape of VOLUME: a .zarr, .npy or .npz.
    sweep
        How the window slides.
    probabilities
        Write the probability of each class too, float16 (class, z, y, x), to this .zarr.
    device
        Where to predict. [default: a GPU if there is one]
    scheduler
        Share the work among the workers of this Dask scheduler, such as tcp://10.0.0.1:8786.
    """
    from mtneuro_seg.volumes import check_output, open_volume, save_labels

    check_output(out)
    if out.suffix != ".zarr" and (probabilities is not None or scheduler is not None):
        raise ValueError(f"--probabilities and --scheduler need a .zarr to write to, got {str(out)!r}")
    chosen = sweep or SweepSettings()
    if scheduler is not None:
        from mtneuro_seg.cluster import predict_volume_on_cluster

        with _bar("shards") as progress:
            predict_volume_on_cluster(
                scheduler,
                folder,
                volume=volume,
                out=out,
                sweep=chosen,
                probabilities=probabilities,
                device=device,
                progress=progress,
            )
        print(f"labels written to {out}")
        return
    import torch

    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.model import load_model
    from mtneuro_seg.whole_volume import predict_volume, swept_labels

    model = load_model(folder)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    source = open_volume(volume)
    with _bar("predicting") as progress:
        if out.suffix == ".zarr" and source.array.ndim == 3:
            predict_volume(
                model,
                source.array,
                out=out,
                sweep=chosen,
                probabilities=probabilities,
                voxel_size_um=source.voxel_size_um,
                source_name=volume.name,
                sample_id=source.sample_id,
                device=place,
                progress=progress,
            )
        else:
            import numpy as np

            array = np.asarray(source.array[...])
            if array.ndim == 3:
                labels = swept_labels(model, array, sweep=chosen, device=place, progress=progress)
            else:
                size = chosen.batch_size
                labels = predict_labels(model, array, batch_size=size, device=place, progress=progress)
            save_labels(
                out,
                labels,
                class_names=model.class_names,
                voxel_size_um=source.voxel_size_um,
                sample_id=source.sample_id,
            )
    print(f"labels {tuple(source.array.shape)} written to {out}")


@app.command
def models() -> None:
    """List the networks: dimension, where the code comes from, the sizes they take, and their paper.

    Example: mtneuro-seg models
    """
    print(f"{'name':<15}{'axes':<6}{'from':<29}{'size (multiples of)':<21}paper")
    for name in model_names():
        entry = network(name)
        size = " x ".join(map(str, entry.size_rule().multiple))
        print(f"{name:<15}{entry.axes}D{'':<4}{entry.family:<29}{size:<21}{entry.title}, {entry.paper}")


def _settings(
    given: TrainSettings | None, names: tuple[str, ...] | None, *, config: Path | None, paper: bool
) -> TrainSettings:
    """Return the settings asked for, the number of classes from the file where it says them."""
    asked = given.model_dump(exclude_unset=True) if given else {}
    if config is not None:
        asked = load_settings(config, **asked).model_dump(exclude_unset=True)
    if names is not None:
        asked.setdefault("classes", len(names))
    chosen = TrainSettings(**asked)
    if not paper:
        return chosen
    clash = sorted({"learning_rate", "batch_size"} & set(asked))
    if clash:
        raise ValueError(f"--paper sets {' and '.join(clash)} from Table A4; leave one of the two out")
    rest = {name: value for name, value in asked.items() if name not in {"model", "classes"}}
    return paper_settings(chosen.model, chosen.classes, **rest)


def _labels(images: Path, labels: Path | None) -> Any:
    from mtneuro_seg.volumes import load_volume

    if labels is None and images.suffix != ".npz":
        raise ValueError(
            f"LABELS must be given when IMAGES is no .npz with masks in it, got {str(images)!r} alone"
        )
    return load_volume(labels or images, key="masks").array


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    """Draw a bar with the time left on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _one_line(error: BaseException) -> str:
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, ValidationError):
        return _one_line(error.__cause__)
    if isinstance(error, ValidationError):
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        got = "" if fault["type"] == "value_error" else f", got {fault['input']!r}"
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}{got}".removeprefix(": ")
    return " ".join(str(error).split())


def main() -> None:
    """Run the command line; a wrong input ends it with one line and status 2."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError, OSError) as error:
        if os.environ.get("MTNEURO_TRACEBACK") == "1":
            raise
        print(f"mtneuro-seg: error: {_one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("mtneuro-seg: interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
