"""Volumes served as a database: the REST interface of BossDB over any volume, on this machine."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
