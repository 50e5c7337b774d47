"""Cutouts, tasks and labels of the MTNeuro benchmark: from BossDB, Zarr, arrays or a phantom.

`open_volume` reads half-open boxes of any volume by its URI, `builtin_task` and `read_task` say which
boxes a task consists of, and `load` turns a split into plain arrays. A `Cache` keeps what has been
downloaded.

Two subpackages are public too: `mtneuro_data.phantom`, the volume that is computed, and
`mtneuro_data.serving`, volumes served as a database on this machine.
"""

from mtneuro_data.arrays import TaskArrays
from mtneuro_data.cache import Cache
from mtneuro_data.correlation import SliceCorrelation, slice_correlation
from mtneuro_data.cube import CubeSpec
from mtneuro_data.datasets import SliceDataset, SubvolumeDataset
from mtneuro_data.exporting import export_cubes
from mtneuro_data.interpolation import interpolated_labels
from mtneuro_data.labels import mapped_labels
from mtneuro_data.loading import load
from mtneuro_data.paper import builtin_task, task_names
from mtneuro_data.reduction import downsampled_images, downsampled_labels, four_corners
from mtneuro_data.saving import save_volume
from mtneuro_data.sources.boss import BossServer
from mtneuro_data.task import Cube, SplitPart, TaskSpec
from mtneuro_data.task_file import TouchingCubesWarning, read_task
from mtneuro_data.volume import Volume, open_volume

__all__ = [
    "BossServer",
    "Cache",
    "Cube",
    "CubeSpec",
    "SliceCorrelation",
    "SliceDataset",
    "SplitPart",
    "SubvolumeDataset",
    "TaskArrays",
    "TaskSpec",
    "TouchingCubesWarning",
    "Volume",
    "builtin_task",
    "downsampled_images",
    "downsampled_labels",
    "export_cubes",
    "four_corners",
    "interpolated_labels",
    "load",
    "mapped_labels",
    "open_volume",
    "read_task",
    "save_volume",
    "slice_correlation",
    "task_names",
]
