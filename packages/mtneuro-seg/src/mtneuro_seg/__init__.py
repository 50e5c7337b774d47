"""Segmentation of microstructure in image volumes: the 2D and 3D networks of the MTNeuro benchmark.

Images in, labels out: `train` makes a `Model` from images and masks, `predict` labels other images with
it, `confusion_matrix` and `scores` say how well. Arrays are NumPy's throughout; torch and the network
libraries are loaded when they are first needed.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("mtneuro-seg")
