from . import phantom as phantom
from . import serving as serving
from .arrays import TaskArrays as TaskArrays
from .box import Box as Box
from .cache.folder import Cache as Cache
from .correlation import SliceCorrelation as SliceCorrelation
from .correlation import slice_correlation as slice_correlation
from .cube import CubeSpec as CubeSpec
from .datasets import SliceDataset as SliceDataset
from .datasets import SubvolumeDataset as SubvolumeDataset
from .exporting import export_cubes as export_cubes
from .interpolation import interpolated_labels as interpolated_labels
from .labels import mapped_labels as mapped_labels
from .loading import load as load
from .opening import open_task as open_task
from .paper import builtin_task as builtin_task
from .paper import task_names as task_names
from .reduction import downsampled_images as downsampled_images
from .reduction import downsampled_labels as downsampled_labels
from .reduction import four_corners as four_corners
from .saving import save_volume as save_volume
from .sources import executed_modules as executed_modules
from .sources.boss import BossServer as BossServer
from .task import Cube as Cube
from .task import SplitPart as SplitPart
from .task import TaskSpec as TaskSpec
from .task_file import TouchingCubesWarning as TouchingCubesWarning
from .task_file import read_task as read_task
from .volume import Volume as Volume
from .volume import open_volume as open_volume

__all__ = [
    "BossServer",
    "Box",
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
    "executed_modules",
    "export_cubes",
    "four_corners",
    "interpolated_labels",
    "load",
    "mapped_labels",
    "open_task",
    "open_volume",
    "phantom",
    "read_task",
    "save_volume",
    "serving",
    "slice_correlation",
    "task_names",
]
