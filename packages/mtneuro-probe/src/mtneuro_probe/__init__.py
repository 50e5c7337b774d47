"""Measure label volumes, and test what embeddings know of the measurements.

Three questions, each one call. ``semantic_features`` measures label images (vessel and axon density,
the number, size and spacing of cells); ``feature_readout`` and ``region_readout`` say how much of that,
and of the brain region, a linear model finds in anybody's embeddings; the figures show it. Rows are kept
together by their ``sample_id``, which names the cube, the slice and the corner an image was cut from.

Importing the package loads no heavy library: each name loads what it needs when it is first used.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("mtneuro-probe")
