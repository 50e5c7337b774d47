"""Cutouts, tasks and labels of the MTNeuro benchmark: from BossDB, Zarr, arrays or a phantom.

`open_volume` reads half-open boxes of any volume by its URI, `builtin_task` and `read_task` say which
boxes a task consists of, and `load` turns a split into plain arrays. A `Cache` keeps what has been
downloaded.

Two subpackages are public too: `mtneuro_data.phantom`, the volume that is computed, and
`mtneuro_data.serving`, volumes served as a database on this machine.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("mtneuro-data")
