"""Volumes served as a database: the REST interface of Boss over any source, on this machine."""

from mtneuro_data.serving.catalogue import Catalogue
from mtneuro_data.serving.faults import Faults
from mtneuro_data.serving.server import VolumeServer

__all__ = ["Catalogue", "Faults", "VolumeServer"]
