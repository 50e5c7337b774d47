"""``mtneuro-ssl train``."""

from pathlib import Path
from typing import Literal

from mtneuro_ssl._shared.intensity import parsed_window
from mtneuro_ssl._shared.settings import settings_list
from mtneuro_ssl._shared.terminal import Changes, Force, Output, RangesOption, SettingsFile, bar, check_output
from mtneuro_ssl.commands.options import Device, Intensity, Log, Trust, chosen_settings
from mtneuro_ssl.processes import launch
from mtneuro_ssl.settings import TrainSettings, ViewSettings

SETTINGS_HELP = f"For `--settings` and `--set`:\n\n{settings_list(TrainSettings)}"

_TABLES = {"": TrainSettings, "views.": ViewSettings}
ADAPTING = {"normalisation", "pooling", "layer"}
_FLAGS = ("rotate", "compile", "stream")
MOVED = {
    "--tensorboard": "--log tensorboard --log-folder=",
    **{
        f"--{name.replace('_', '-')}": f"--set {table}{name}={'true' if name in _FLAGS else ''}"
        for table, model in _TABLES.items()
        for name in model.model_fields
        # Options of their own, a table, and what once was another command's option.
        if name
        not in {"method", "device", "views", "vit", "mae", "slices", "intensity", "image_type"} | ADAPTING
    },
}
"""Options of ``train`` that have a new form."""


def train(
    volume: str,
    /,
    *,
    output: Output,
    force: Force = False,
    ranges: RangesOption = None,
    intensity: Intensity = None,
    method: str | None = None,
    normalisation: Literal["data", "given", "model"] | None = None,
    pooling: Literal["auto", "cls", "mean", "max", "attention"] | None = None,
    layer: int | Literal["all"] | None = None,
    labels: Path | None = None,
    settings: SettingsFile = None,
    changes: Changes = (),
    device: Device | None = None,
    trust: Trust = (),
    log: Log = (),
    log_folder: Path | None = None,
) -> str | None:
    """Train a model on the images of a volume.

    The same command, given again, continues an interrupted run.

    Example: `mtneuro-ssl train images.npz --method byol -o byol --set epochs=20 --set batch_size=64`

    A foundation model as it is, its weights from a file (or a folder, or `hub`, where there is a network):

    `mtneuro-ssl train images.npz --method untrained -o dinov2 --set encoder=timm/vit_small_patch14_dinov2
    --set encoder_weights=dinov2.safetensors --set latent_dim=none --normalisation model --pooling cls`

    Images of a size that it does not take are padded or resized (`--set fit=pad`, `--set
    image_size=[224,224]`); the model's `config.json` says what was done.

    Parameters
    ----------
    volume
        Images: an .npz export (its array `images`), an .npy array (n, y, x), a Zarr, or any file or URI that
        an installed mtneuro-data opens. With `--set depth=8` its subvolumes of 8 slices, for an encoder in
        three dimensions. Or clouds of points, as `mtneuro-probe points` writes them, with
        `--set encoder=deepsets`.
    output
        Model folder to write.
    ranges
        The part of the volume to read.
    intensity
        Intensities that become black and white where images are not uint8, LO:HI, such as 0:4095. The model
        keeps them, and sees each volume of such a type through them. By default all levels are kept.
    method
        Training method; `mtneuro-ssl methods` lists them. By default the one in the settings, or byol.
    normalisation
        Mean and standard deviation of intensity: `data` takes the images' own, `given` those of the settings,
        `model` those of the images that a timm model's published weights were trained on.
    pooling
        How a timm model's, or your own encoder's, features by place or token become an embedding: `cls` (the
        class token), `mean`, `max`, or `attention` (its own pooling). By default as the encoder does.
    layer
        Layer of a timm model to read: 0 for the first, -1 for the last, `all` for all side by side. By
        default what the model returns.
    labels
        File with the class of each image, for supervised methods: .npz (its array `region`), .npy or Zarr. By
        default the array `region` of the volume's own .npz.
    settings
        Settings file (.toml or .json).
    changes
        One setting, as key=value; may be given several times, and overrides the file.
    device
        Where to compute; by default as the settings say.
    trust
        A factory, as package.module:factory or file.py:factory, that may be called if
        the settings file names it as the encoder.
    log
        Also log the settings and the history: `wandb` (Weights & Biases; `WANDB_MODE=offline` sends nothing),
        `mlflow` (at `MLFLOW_TRACKING_URI`, or into a file) or `tensorboard`; may be given several times, and
        each needs the extra of its name. An interrupted training goes on in the same log.
    log_folder
        Folder of what is logged; by default `logs` beside OUTPUT.
    """
    check_output(output, what="a model", force=True)
    if log_folder is not None:
        check_output(log_folder / output.name, what="a log", force=True)
    window = parsed_window(intensity)
    chosen = chosen_settings(
        settings,
        changes,
        trust=trust,
        method=method,
        normalisation=normalisation,
        pooling=pooling,
        layer=layer,
        device=device,
        intensity=window,
    )
    import numpy as np

    from mtneuro_ssl._shared.logs import run_loggers
    from mtneuro_ssl._shared.model_folder import check_destination
    from mtneuro_ssl.files import open_images, read_labels
    from mtneuro_ssl.training import train as train_model

    check_destination(output)
    loggers = run_loggers(log, out=output, folder=log_folder)
    source = open_images(volume, ranges=ranges, depth=chosen.depth)
    if chosen.intensity is None:
        # An export through a window: the model is to see the volume itself through the same.
        chosen = chosen.model_copy(update={"intensity": source.intensity})
    if chosen.views.slices and not source.named and source.labels is not None and np.ptp(source.labels):
        raise ValueError(
            f"views.slices needs the ids of slices (sample_id, '<cube>/z<z>'), got several regions in "
            f"{volume} without any, whose images may not follow one another; set views.slices to 0"
        )
    region = source.labels if labels is None else read_labels(labels)
    supervised = chosen.entry.family == "supervised"
    with bar(chosen.method) as progress:
        model = train_model(
            source.images,
            chosen,
            labels=region,
            out=output,
            replace=force,
            class_names=source.class_names if supervised and labels is None else None,
            sample_id=source.sample_id,
            progress=progress,
            loggers=loggers,
        )
    return f"model of {model.dim} features written to {output}" if launch().first else None
