"""``mtneuro-seg predict``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from mtneuro_seg.commands.terminal import Output, bar
from mtneuro_seg.sweep_settings import SweepSettings

if TYPE_CHECKING:
    from mtneuro_seg.model import Model
    from mtneuro_seg.volumes import Volume


def predict(
    folder: Path,
    volume: Path,
    *,
    out: Output,
    sweep: Annotated[SweepSettings | None, Parameter(name="*", consume_multiple=True)] = None,
    probabilities: Path | None = None,
    device: Literal["cpu", "cuda"] | None = None,
    scheduler: str | None = None,
) -> str:
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
        Labels to write, uint8 in the shape of VOLUME: a .zarr, .npy or .npz; or an .ome.zarr, with levels and
        colours for napari and Neuroglancer.
    sweep
        How the window slides.
    probabilities
        Write the probability of each class too, (class, z, y, x), to this .zarr or .ome.zarr.
    device
        Where to predict. [default: a GPU if there is one]
    scheduler
        Share the work among the workers of this Dask scheduler, such as tcp://10.0.0.1:8786.
    """
    from mtneuro_seg.volumes import check_output, open_volume

    check_output(out)
    _check_apart(volume, out, probabilities)
    if out.suffix != ".zarr" and (probabilities is not None or scheduler is not None):
        raise ValueError(f"--probabilities and --scheduler need a .zarr to write to, got {str(out)!r}")
    chosen = sweep or SweepSettings()
    if scheduler is not None:
        from mtneuro_seg.cluster import predict_volume_on_cluster

        with bar("shards") as progress:
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
        return f"labels written to {out}"
    import torch

    from mtneuro_seg.model import load_model
    from mtneuro_seg.whole_volume import predict_volume

    model = load_model(folder)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    source = open_volume(volume)
    shape = tuple(source.array.shape)
    with bar("predicting") as progress:
        if out.suffix == ".zarr" and len(shape) == 3:
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
        elif probabilities is not None or out.name.endswith(".ome.zarr"):
            raise ValueError(f"--probabilities and .ome.zarr need a volume (z, y, x), got shape {shape}")
        else:
            _predict_in_memory(model, source, out, sweep=chosen, device=place, progress=progress)
    return f"labels {shape} written to {out}"


def _check_apart(volume: Path, out: Path, probabilities: Path | None) -> None:
    """Raise if two of the files are one: the volume would be replaced."""
    paths = [path.resolve() for path in (volume, out, probabilities) if path is not None]
    if len(set(paths)) < len(paths):
        raise ValueError(f"VOLUME, --output and --probabilities must be different files, got {str(out)!r}")


def _predict_in_memory(
    model: "Model",
    source: "Volume",
    out: Path,
    *,
    sweep: SweepSettings,
    device: str,
    progress: Callable[[int, int], None],
) -> None:
    import numpy as np

    from mtneuro_seg.inference import predict as predict_labels
    from mtneuro_seg.memory import memory_named
    from mtneuro_seg.volumes import save_labels
    from mtneuro_seg.whole_volume import swept_labels

    with memory_named("a volume that is not written to a .zarr", lower="write to a .zarr"):
        array = np.asarray(source.array[...])
        if array.ndim == 3:
            labels = swept_labels(model, array, sweep=sweep, device=device, progress=progress)
        else:
            size = sweep.batch_size
            labels = predict_labels(model, array, batch_size=size, device=device, progress=progress)
    save_labels(
        out,
        labels,
        class_names=model.class_names,
        voxel_size_um=source.voxel_size_um,
        sample_id=source.sample_id,
    )
