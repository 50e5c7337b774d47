"""``mtneuro-seg train``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtneuro_seg._shared.factories import check_trusted, look_here
from mtneuro_seg._shared.intensity import parsed_window
from mtneuro_seg._shared.settings import changed_values, settings_list
from mtneuro_seg._shared.terminal import Changes, Force, Output, RangesOption, SettingsFile, bar, check_output
from mtneuro_seg._shared.words import unknown_name
from mtneuro_seg.commands.options import Device, Intensity, Labels, Log, Trust, check_figure
from mtneuro_seg.paper import paper_settings
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.settings_file import settings_values

if TYPE_CHECKING:
    from mtneuro_seg.files import LabelledImages

SETTINGS_HELP = f"For `--settings` and `--set`:\n\n{settings_list(TrainSettings)}"

_FLAGS = {name for name, field in TrainSettings.model_fields.items() if field.annotation is bool}
MOVED = {
    "--config": "--settings",
    "--tensorboard": "--log tensorboard --log-folder=",
    **{f"--{old.replace('_', '-')}": f"--set {new}=" for old, new in TrainSettings.renamed.items()},
    **{
        f"--{name.replace('_', '-')}": f"--set {name}={'true' if name in _FLAGS else ''}"
        for name in TrainSettings.model_fields
        # Options of their own, and a table.
        if name not in {"model", "device", "intensity", "image_type", "transforms"}
    },
    **{f"--no-{name}": f"--set {name}=false" for name in _FLAGS},
}
"""Options of ``train`` that have a new form."""


def train(
    images: str,
    /,
    labels: Labels = None,
    *,
    output: Output,
    force: Force = False,
    model: str | None = None,
    settings: SettingsFile = None,
    changes: Changes = (),
    paper: bool = False,
    validation: str | None = None,
    validation_labels: str | None = None,
    depth: int = 8,
    depth_overlap: float = 0.0,
    curves: Path | None = None,
    log: Log = (),
    log_folder: Path | None = None,
    device: Device | None = None,
    trust: Trust = (),
    ranges: RangesOption = None,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Train a network on labelled images and write its folder.

    An interrupted training resumes when the same command is run again; a finished one is not repeated.

    Example: `mtneuro-seg train train.npz --model unet --set epochs=5 -o models/unet`

    Parameters
    ----------
    images
        Images (n, y, x), or subvolumes (n, z, y, x) for a 3D network: the .npz that `mtneuro-data export`
        writes, a .npy, a Zarr array, or whatever else an installed mtneuro-data opens.
    labels
        Their labels in the same shape; not needed when the .npz of IMAGES holds `masks`.
    output
        Model folder to write.
    model
        The network; `mtneuro-seg models` lists them. By default the settings' own, or unet.
    settings
        Settings file (.toml or .json), or a network file of the original benchmark.
    changes
        One setting, as key=value; may be given several times, and overrides the file.
    paper
        Take learning rate and batch size from the paper's Table A4, for the network and its classes.
    validation
        Images to score after each epoch.
    validation_labels
        Their labels, if the validation file does not contain them.
    depth
        Slices of a subvolume, where a 3D network is given images (n, y, x). They follow one another in one
        cube, by the ids of the images; a file without ids is taken as consecutive slices.
    depth_overlap
        Fraction of a training subvolume that the next one overlaps.
    curves
        Draw the learning curves here (.png, .pdf, .svg).
    log
        Also log the settings and the history: `wandb` (Weights & Biases; `WANDB_MODE=offline` sends nothing),
        `mlflow` (at `MLFLOW_TRACKING_URI`, or into a file) or `tensorboard`; may be given several times, and
        each needs the extra of its name. An interrupted training goes on in the same log.
    log_folder
        Folder of what is logged; by default `logs` beside OUTPUT.
    device
        Where to compute; by default as the settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        the settings file names it as the network.
    ranges
        The part of IMAGES and LABELS to train on.
    intensity
        Intensities that become black and white where images are not uint8, LO:HI, such as 0:4095. The model
        keeps them, and sees each volume of such a type through them. By default all levels are kept.
    """
    check_output(output, what="a model", force=True)
    if curves is not None:
        check_figure(curves, force=force)
    if log_folder is not None:
        check_output(log_folder / output.name, what="a log", force=True)
    given: dict[str, Any] = {} if settings is None else settings_values(settings)
    typed = changed_values({}, changes)
    given = changed_values(given, changes)
    given |= {name: value for name, value in (("model", model), ("device", device)) if value is not None}
    if intensity is not None:
        given["intensity"] = parsed_window(intensity)
    if model is None and "model" not in typed:
        check_trusted(given.get("model"), trust, where=settings)
    look_here([given.get("model"), *trust])
    # Wrong settings are refused before the images are read; the number of classes may follow from their file,
    # and so may the value of a label that is given by its class's name.
    ignored = given.get("ignore_label")
    TrainSettings.model_validate(given | ({"ignore_label": None} if isinstance(ignored, str) else {}))
    from mtneuro_seg._shared.logs import run_loggers
    from mtneuro_seg.files import read_labelled_images

    loggers = run_loggers(log, out=output, folder=log_folder)
    data = read_labelled_images(images, labels, ranges=ranges)
    if given.get("intensity") is None and data.intensity is not None:
        # An export through a window: the model is to see the volume itself through the same.
        given["intensity"] = data.intensity
    names = data.class_names
    if isinstance(ignored, str):
        given["ignore_label"] = _value(ignored, names)
    chosen = _settings(given, names, paper=paper)
    if names is not None and len(names) != chosen.classes:
        raise ValueError(
            f"classes must be {len(names)}, as {images!r} has ({', '.join(names)}), got {chosen.classes}"
        )
    held_out = None if validation is None else read_labelled_images(validation, validation_labels)
    from mtneuro_seg.training import train as train_network

    arrays = _arrays(data, chosen, depth=depth, overlap=depth_overlap)
    if arrays[0] is not data.images and data.sample_id is None and data.region is not None:
        yield f"{images} names no slices (sample_id): those of a region are taken as consecutive"
    with bar("training") as progress:
        trained = train_network(
            arrays[0],
            chosen,
            masks=arrays[1],
            out=output,
            replace=force,
            validation=None if held_out is None else _arrays(held_out, chosen, depth=depth),
            class_names=names,
            progress=progress,
            loggers=loggers,
        )
    last = trained.history[-1]
    line = f"{chosen.model}: {last['step']} steps, loss {last['loss']:.4f}"
    if held_out is not None:
        line += f", validation mean IoU {last['val_iou']:.3f}, mean F1 {last['val_f1']:.3f}"
    yield line
    yield f"model written to {output}"
    if curves is not None:
        from mtneuro_seg.figures import learning_curves_figure, save_figure

        save_figure(learning_curves_figure(trained.history, title=chosen.network.title), curves)
        yield f"figure written to {curves}"


def _arrays(
    data: "LabelledImages", settings: TrainSettings, *, depth: int, overlap: float = 0.0
) -> tuple[Any, Any]:
    """Return images and masks; for a 3D network cut into subvolumes of consecutive slices."""
    if settings.network.axes == 2 or data.images.ndim != 3:
        return data.images, data.masks
    from mtneuro_seg.subvolume import subvolume_slices

    groups = data.region if data.sample_id is None else None
    cuts = subvolume_slices(
        len(data.images), depth=depth, overlap=overlap, groups=groups, sample_id=data.sample_id
    )
    return data.images[cuts], data.masks[cuts]


def _value(label: str, names: Sequence[str] | None) -> int:
    """Return the value of the label that ``ignore_label`` names."""
    if label.isdecimal():
        return int(label)
    if names is None:
        raise ValueError(
            f"ignore_label must be a value, such as 255, as the images name no classes, got {label!r}"
        )
    if label not in names:
        raise ValueError(unknown_name("ignore_label", label, names))
    return names.index(label)


def _settings(given: dict[str, Any], names: Sequence[str] | None, *, paper: bool) -> TrainSettings:
    """Return the settings asked for, the number of classes from the file where it says them."""
    asked = ({} if names is None else {"classes": len(names)}) | given
    chosen = TrainSettings.model_validate(asked)
    if not paper:
        return chosen
    clash = sorted({"learning_rate", "batch_size"} & set(asked))
    if clash:
        raise ValueError(f"--paper sets {' and '.join(clash)} from Table A4; leave one of the two out")
    rest = {name: value for name, value in asked.items() if name not in {"model", "classes"}}
    return paper_settings(chosen.model, chosen.classes, **rest)
