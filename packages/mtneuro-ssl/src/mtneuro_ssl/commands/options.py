"""Options and settings that several commands share."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mtneuro_ssl._shared.factories import check_trusted, look_here
from mtneuro_ssl._shared.settings import changed_values
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.settings_file import file_values

Device = Literal["auto", "cpu", "cuda", "mps"]

Size = tuple[int, int]
Trust = Annotated[tuple[str, ...], Parameter(show_default=False)]

LogName = Literal["mlflow", "tensorboard", "wandb"]

Log = Annotated[tuple[LogName, ...], Parameter(name="--log", show_default=False)]
"""Where the training's settings and history are logged too."""

VoxelSize = Annotated[tuple[float, float, float] | None, Parameter(name=["--voxel-size", "--voxel-size-um"])]
"""The size of a voxel, where a file does not state it."""

Intensity = Annotated[str | None, Parameter(name="--intensity")]
"""Intensities that become black and white, ``LO:HI``."""


def chosen_settings(
    file: Path | None, changes: tuple[str, ...], *, trust: tuple[str, ...] = (), **given: Any
) -> TrainSettings:
    """Return the settings of a file, changed by ``key=value``, then by options that are not None."""
    values = {} if file is None else file_values(file, known=TrainSettings.model_fields)
    options = {name: value for name, value in given.items() if value is not None}
    chosen = TrainSettings.model_validate(changed_values(values, changes) | options)
    if "encoder" not in changed_values({}, changes):
        check_trusted(chosen.encoder, trust, where=file)
    look_here([chosen.encoder, *trust])
    return chosen
