"""The command line of mtneuro-seg."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError

from mtneuro_seg.networks import model_names, network
from mtneuro_seg.settings import TrainSettings, paper_settings

app = App(
    name="mtneuro-seg",
    help="Segment microstructure in image volumes with the 2D and 3D networks of the MTNeuro benchmark.",
    version_flags=["--version"],
)


@app.command
def train(
    images: Path,
    labels: Path | None = None,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    settings: Annotated[TrainSettings | None, Parameter(name="*")] = None,
    paper: bool = False,
    validation: Path | None = None,
    validation_labels: Path | None = None,
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
    paper
        Take learning rate and batch size from the paper's Table A4, for --model and --classes.
    validation
        Images to score after each epoch.
    validation_labels
        Their labels, where the validation file does not hold them.
    """
    from mtneuro_seg.volumes import load_volume

    volume = load_volume(images)
    chosen = _settings(settings, volume.class_names, paper=paper)
    masks = _labels(images, labels)
    held_out = None
    if validation is not None:
        held_out = (load_volume(validation).array, _labels(validation, validation_labels))
    names = volume.class_names
    if names is not None and len(names) != chosen.classes:
        raise ValueError(
            f"classes must be {len(names)}, as {str(images)!r} has ({', '.join(names)}), got {chosen.classes}"
        )
    from mtneuro_seg.training import train as train_network

    with _bar("training") as progress:
        model = train_network(
            volume.array,
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


@app.command
def evaluate(
    folder: Path,
    images: Path,
    labels: Path | None = None,
    *,
    batch_size: int = 8,
    figure: Path | None = None,
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
    """
    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.metrics import confusion_matrix, scores, scores_per_image
    from mtneuro_seg.model import load_model
    from mtneuro_seg.volumes import load_volume

    model = load_model(folder)
    array = load_volume(images).array
    truth = _labels(images, labels)
    if truth.shape != array.shape:
        raise ValueError(f"labels must have the images' shape {array.shape}, got {truth.shape}")
    if figure is not None and figure.suffix not in {".png", ".pdf", ".svg"}:
        raise ValueError(f"figure must be a .png, .pdf or .svg, got {str(figure)!r}")
    classes = model.settings.classes
    with _bar("predicting") as progress:
        prediction = predict_labels(model, array, batch_size=batch_size, progress=progress)
    pooled = scores(confusion_matrix(truth, prediction, classes=classes))
    single = scores_per_image(truth, prediction, classes=classes)
    print(f"{'class':<18}{'F1':>8}{'IoU':>8}   {'F1 *':>8}{'IoU *':>8}")
    rows = [*zip(model.class_names, pooled.f1, pooled.iou, single.f1, single.iou, strict=True)]
    rows.append(("mean", pooled.mean_f1, pooled.mean_iou, single.mean_f1, single.mean_iou))
    for name, *values in rows:
        first, second, third, fourth = ("–" if value != value else f"{value:.3f}" for value in values)
        print(f"{name:<18}{first:>8}{second:>8}   {third:>8}{fourth:>8}")
    print("* mean over images of each image's score; the others are from the counts of all images")
    if figure is not None:
        _write_figure(figure, array, truth, prediction, model.class_names)


def _write_figure(path: Path, images: Any, truth: Any, prediction: Any, class_names: tuple[str, ...]) -> None:
    import numpy as np

    from mtneuro_seg.figures import segmentation_figure

    shown = np.unique(np.linspace(0, len(images) - 1, 4).astype(int))
    drawn = segmentation_figure(images[shown], truth[shown], prediction[shown], class_names=class_names)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    drawn.savefig(beside, dpi=150, format=path.suffix[1:])
    beside.replace(path)
    print(f"figure written to {path}")


@app.command
def predict(
    folder: Path,
    volume: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    batch_size: int = 8,
) -> None:
    """Label images with a model.

    Example: mtneuro-seg predict models/unet brain.zarr -o labels.zarr

    Parameters
    ----------
    folder
        The model's folder.
    volume
        A volume (z, y, x), or images, as a .npz, a .npy, a Zarr array or an OME-Zarr group.
    out
        Labels to write, uint8 in the shape of VOLUME: a .zarr, .npy or .npz.
    batch_size
        Images at once; lower it if memory runs out.
    """
    from mtneuro_seg.volumes import check_output, load_volume, save_labels

    check_output(out)
    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.model import load_model

    model = load_model(folder)
    source = load_volume(volume)
    with _bar("predicting") as progress:
        labels = predict_labels(model, source.array, batch_size=batch_size, progress=progress)
    save_labels(out, labels, class_names=model.class_names, voxel_size_um=source.voxel_size_um)
    print(f"labels {labels.shape} written to {out}")


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


def _settings(given: TrainSettings | None, names: tuple[str, ...] | None, *, paper: bool) -> TrainSettings:
    """Return the settings asked for, the number of classes from the file where it says them."""
    asked = given.model_dump(exclude_unset=True) if given else {}
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
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
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
