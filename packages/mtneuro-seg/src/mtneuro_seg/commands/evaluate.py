"""``mtneuro-seg evaluate``."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtneuro_seg._shared.factories import look_here
from mtneuro_seg._shared.terminal import Force, RangesOption, bar
from mtneuro_seg.commands.options import Device, Intensity, Labels, Trust, VoxelSize, check_figure

if TYPE_CHECKING:
    from mtneuro_seg.files import LabelledImages
    from mtneuro_seg.intervals import ScoreIntervals, Stack


def evaluate(
    model: Path,
    images: str,
    /,
    labels: Labels = None,
    *,
    batch_size: int = 8,
    figure: Path | None = None,
    force: Force = False,
    intervals: bool = False,
    block: int = 10,
    device: Device = "auto",
    trust: Trust = (),
    ranges: RangesOption = None,
    voxel_size_um: VoxelSize = None,
    intensity: Intensity = None,
) -> Iterator[str]:
    """Score a model on labelled images: F1 and IoU of every class, their means, and accuracy of pixels.

    Example: `mtneuro-seg evaluate models/unet test.npz --figure test.png`

    Parameters
    ----------
    model
        Model folder, a model that comes with the package (`mtneuro-seg models --pretrained`), or a repository
        of one on the Hugging Face hub: owner/name or owner/name@REVISION.
    images
        Images to score it on.
    labels
        Their labels, if IMAGES does not contain them.
    batch_size
        Images in a batch.
    figure
        Write image, truth and prediction of up to four images here (.png, .pdf, .svg).
    intervals
        Also print 95 % confidence intervals, by a bootstrap over blocks of neighbouring images.
    block
        Slices in a block, fewer than the longest cube has. Cubes and slices are those that the images' ids
        name; without ids, the images of a region are taken as consecutive slices.
    device
        Where to compute; auto takes a GPU if there is one.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        MODEL names it as its network.
    ranges
        The part of IMAGES and LABELS to score.
    voxel_size_um
        Voxel size z y x in micrometres, where IMAGES does not state it; only a model that comes with the
        package asks for it.
    intensity
        Intensities that become black and white, LO:HI, such as 0:4095. By default as the model was trained.
    """
    if figure is not None:
        check_figure(figure, force=force)
    import numpy as np

    from mtneuro_seg._shared.devices import chosen_device
    from mtneuro_seg._shared.hub import found_folder
    from mtneuro_seg._shared.intensity import parsed_window, seen_range, windowed
    from mtneuro_seg.files import read_labelled_images
    from mtneuro_seg.fitting import fitted
    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.intervals import bootstrap_intervals, stacks_of
    from mtneuro_seg.metrics import check_labels, confusion_per_image, scores, scores_per_image
    from mtneuro_seg.model import load_model

    look_here(trust)
    loaded = load_model(found_folder(model), trusted=trust)
    window = parsed_window(intensity)
    data = read_labelled_images(images, labels, ranges=ranges, intensity=window)
    array, truth = data.images, data.masks
    size = voxel_size_um or data.voxel_size_um
    loaded = fitted(loaded, array, voxel_size_um=size, each_image=True)
    classes, ignore = loaded.settings.classes, loaded.settings.ignore_label
    check_labels(truth if ignore is None else truth[truth != ignore], "labels", classes=classes)
    groups = data.region if data.sample_id is None else None
    stacks = stacks_of(len(array), groups=groups, sample_id=data.sample_id) if intervals else []
    if intervals:
        _check_block(block, stacks)
    place = chosen_device(device).type
    with bar("predicting") as progress:
        prediction = predict_labels(loaded, array, batch_size=batch_size, device=place, progress=progress)
    confusions = confusion_per_image(truth, prediction, classes=classes, ignore=ignore)
    pooled = scores(confusions.sum(axis=0))
    single = scores_per_image(truth, prediction, classes=classes, ignore=ignore)
    yield (f"{'class':<18}{'F1':>8}{'IoU':>8}   {'F1 *':>8}{'IoU *':>8}")
    rows = [*zip(loaded.class_names, pooled.f1, pooled.iou, single.f1, single.iou, strict=True)]
    rows.append(("mean", pooled.mean_f1, pooled.mean_iou, single.mean_f1, single.mean_iou))
    for name, *values in rows:
        first, second, third, fourth = ("–" if value != value else f"{value:.3f}" for value in values)
        yield f"{name:<18}{first:>8}{second:>8}   {third:>8}{fourth:>8}"
    for name, *values in (
        ("accuracy", pooled.accuracy, single.accuracy),
        ("balanced accuracy", pooled.balanced_accuracy, single.balanced_accuracy),
    ):
        first, second = ("–" if value != value else f"{value:.3f}" for value in values)
        yield f"{name:<18}{first:>16}   {second:>16}"
    yield "* mean over images of each image's score; the others are from the counts of all images"
    if intervals:
        found = bootstrap_intervals(confusions, block=block, groups=groups, sample_id=data.sample_id)
        yield from _interval_lines(loaded.class_names, found)
        yield from _assumptions(images, data, stacks)
    if figure is not None:
        if array.dtype != np.uint8:
            # A figure needs grey levels: those of the model's window, or else all that there are.
            array = windowed(array, loaded.settings.intensity or seen_range(array))
        _draw(figure, array, truth, prediction, loaded.class_names)
        yield f"figure written to {figure}"


def _check_block(block: int, stacks: "Sequence[Stack]") -> None:
    """Raise if every stack of slices is a single block: resampling would then change nothing."""
    if block < 1 or not any(len(stack.slices) > (block if stack.neighbours else 1) for stack in stacks):
        longest = max(len(stack.slices) for stack in stacks)
        raise ValueError(
            f"--block must be at least 1 and less than the {longest} images of the longest stack, "
            f"got {block}; a stack of a single block leaves nothing to resample"
        )


def _assumptions(images: str, data: "LabelledImages", stacks: "Sequence[Stack]") -> Iterator[str]:
    """Yield what the intervals take for granted where the file does not name every slice."""
    if data.sample_id is None:
        whose = "its images" if data.region is None else "the images of a region"
        yield f"{images} names no slices (sample_id): {whose} are taken as consecutive slices"
    for stack in stacks:
        if not stack.neighbours:
            first = data.sample_id[int(stack.slices[0][0])] if data.sample_id else ""
            yield (
                f"{len(stack.slices)} images have ids that name no slice ('<cube>/z<z>'), such as {first!r}: "
                "each is drawn by itself"
            )


def _interval_lines(names: tuple[str, ...], found: "ScoreIntervals") -> Iterator[str]:
    low, high = found.low, found.high
    rows = [*zip(names, low.f1, high.f1, low.iou, high.iou, strict=True)]
    rows.append(("mean", low.mean_f1, high.mean_f1, low.mean_iou, high.mean_iou))
    yield ""
    yield f"{f'{found.level:.0%} interval':<18}{'F1':>15}{'IoU':>15}"
    for name, *ends in rows:
        first, last = (f"{a:.3f} – {b:.3f}" for a, b in (ends[:2], ends[2:]))
        yield f"{name:<18}{first:>15}{last:>15}"


def _draw(path: Path, images: Any, truth: Any, prediction: Any, class_names: tuple[str, ...]) -> None:
    import numpy as np

    from mtneuro_seg.figures import save_figure, segmentation_figure

    shown = np.unique(np.linspace(0, len(images) - 1, 4).astype(int))
    figure = segmentation_figure(
        images[shown], truth[shown], prediction[shown], class_names=class_names, errors=True
    )
    save_figure(figure, path)
