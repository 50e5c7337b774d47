from .catalogue import Catalogue as Catalogue
from .faults import Faults as Faults
from .server import VolumeServer as VolumeServer
