"""Segmentation of microstructure in image volumes: the 2D and 3D networks of the MTNeuro benchmark.

Images in, labels out: `train` makes a `Model` from images and masks, `predict` labels other images with
it, `confusion_matrix` and `scores` say how well. Everything that crosses is a NumPy array; torch and the
libraries of networks are loaded when something of theirs is first used.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("mtneuro-seg")
