"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mtneuro_seg._shared.terminal import check_output

Device = Literal["auto", "cpu", "cuda", "mps"]
"""Where a command computes; ``auto`` takes a GPU if there is one."""

Labels = Annotated[str | None, Parameter(group="Arguments")]
"""The labels of images, after them or as ``--labels``."""

Trust = Annotated[tuple[str, ...], Parameter(show_default=False)]
"""Networks, as package.module:factory, that a model's folder may name."""


LogName = Literal["mlflow", "tensorboard", "wandb"]

Log = Annotated[tuple[LogName, ...], Parameter(name="--log", show_default=False)]
"""Where the training's settings and history are logged too."""

Intensity = Annotated[str | None, Parameter(name="--intensity")]
"""Intensities that become black and white, ``LO:HI``."""

VoxelSize = Annotated[tuple[float, float, float] | None, Parameter(name=["--voxel-size", "--voxel-size-um"])]
"""The size of a voxel, where a file does not state it."""


def check_figure(path: Path, *, force: bool) -> None:
    """Raise unless a figure can be written under such a name, which is new unless it may be replaced."""
    check_output(path, ".png", ".pdf", ".svg", what="a figure", force=force)
