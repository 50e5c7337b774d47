from .barlow_twins import BarlowTwins as BarlowTwins
from .base import Draw as Draw
from .base import Method as Method
from .byol import BYOL as BYOL
from .dino import DINO as DINO
from .myow import MYOW as MYOW
from .myow import Candidates as Candidates
from .myow_merged import MYOWMerged as MYOWMerged
from .nmf import NMF as NMF
from .pca import PCA as PCA
from .pca import principal_components as principal_components
from .simclr import SimCLR as SimCLR
from .simsiam import SimSiam as SimSiam
from .supervised import Supervised as Supervised
from .supervised import SupervisedMixup as SupervisedMixup
from .vicreg import VICReg as VICReg

__all__ = [
    "BYOL",
    "DINO",
    "MYOW",
    "NMF",
    "PCA",
    "BarlowTwins",
    "Candidates",
    "Draw",
    "MYOWMerged",
    "Method",
    "SimCLR",
    "SimSiam",
    "Supervised",
    "SupervisedMixup",
    "VICReg",
    "principal_components",
]
