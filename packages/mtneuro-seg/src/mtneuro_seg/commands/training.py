"""``mtneuro-seg train``."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mtneuro_seg.commands.labelled_images import groups_of, labels_of
from mtneuro_seg.commands.terminal import Output, bar, check_figure, save_figure
from mtneuro_seg.paper import paper_settings
from mtneuro_seg.settings import TrainSettings
from mtneuro_seg.settings_file import load_settings


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
    tensorboard: Path | None = None,
) -> str:
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
    tensorboard
        Write a TensorBoard log of losses and scores into this folder.
    """
    from mtneuro_seg.volumes import load_volume

    volume = load_volume(images)
    chosen = _settings(settings, volume.class_names, config=config, paper=paper)
    masks = labels_of(images, labels)
    held_out = None
    if validation is not None:
        held_out = (load_volume(validation).array, labels_of(validation, validation_labels))
    names = volume.class_names
    if names is not None and len(names) != chosen.classes:
        raise ValueError(
            f"classes must be {len(names)}, as {str(images)!r} has ({', '.join(names)}), got {chosen.classes}"
        )
    if curves is not None:
        check_figure(curves)
    array = volume.array
    if chosen.network.axes == 3 and array.ndim == masks.ndim == 3:
        array, masks = _cut(images, (array, masks), depth=depth, overlap=depth_overlap)
        if held_out is not None and validation is not None and held_out[0].ndim == 3:
            held_out = _cut(validation, held_out, depth=depth, overlap=0.0)
    from mtneuro_seg.training import train as train_network

    with bar("training") as progress:
        model = train_network(
            array,
            chosen,
            masks=masks,
            out=out,
            validation=held_out,
            class_names=names,
            tensorboard=tensorboard,
            progress=progress,
        )
    last = model.history[-1]
    line = f"{chosen.model}: {last['step']} steps, loss {last['loss']:.4f}"
    if held_out is not None:
        line += f", validation mean IoU {last['val_iou']:.3f}, mean F1 {last['val_f1']:.3f}"
    line += f"\nwritten to {out}"
    if curves is not None:
        from mtneuro_seg.figures import learning_curves_figure

        drawn = learning_curves_figure(model.history, title=chosen.network.title)
        line += "\n" + save_figure(drawn, curves)
    return line


def _cut(images: Path, arrays: tuple[Any, Any], *, depth: int, overlap: float) -> tuple[Any, Any]:
    """Return images and masks as subvolumes, none of which crosses a region's end."""
    from mtneuro_seg.subvolume import subvolume_slices

    if arrays[0].shape != arrays[1].shape:
        raise ValueError(f"labels must have the images' shape {arrays[0].shape}, got {arrays[1].shape}")
    count = len(arrays[0])
    cuts = subvolume_slices(count, depth=depth, overlap=overlap, groups=groups_of(images, count))
    return arrays[0][cuts], arrays[1][cuts]


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
