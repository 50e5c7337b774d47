"""Representations of image volumes: supervised, mixup, BYOL, MYOW, MYOW-m, PCA and NMF.

`train` turns a stack of images into a `Model` in a folder, `load_model` brings it back, and `embed` turns
images into embeddings. `TrainSettings` holds the settings, with the paper's as defaults. Torch and Lightning
are loaded when they are first needed.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("mtneuro-ssl")
