"""The registry of methods and encoders by name; the module of each is imported when it is used."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

Schedule = Literal["constant", "cosine", "poly", "step"]
"""Schedules of the learning rate; all but the constant one begin with a warm-up."""


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """One training method: where its class is, and the defaults of its own."""

    target: str
    """``package.module:Class``, imported only when the method is used."""

    summary: str
    """One line for a table of methods."""

    _: KW_ONLY

    family: Literal["supervised", "self-supervised", "classical", "baseline"]
    """Supervised methods need labels; self-supervised ones see crops of half the height and width."""

    keeps_heads: bool = False
    """Whether a run keeps its projector and predictor, or its decoder, and may start from another's
    (``start_from``)."""

    encoders: tuple[str, ...] = ()
    """The only encoders that the method trains; none for a method that trains any."""

    own: Mapping[str, Any] = field(default_factory=dict)
    """Values of settings where none are named, in place of those of all methods."""

    weight_decay: float = 0.0
    """Weight decay where the settings name none."""

    momentum: float = 0.0
    """Momentum of SGD and LARS where the settings name none."""

    schedule: Schedule = "constant"
    """Schedule of the learning rate where the settings name none."""


_supervised = partial(MethodEntry, family="supervised", weight_decay=0.3)
_self_supervised = partial(
    MethodEntry, family="self-supervised", weight_decay=5e-4, momentum=0.9, schedule="cosine"
)

METHODS: Mapping[str, MethodEntry] = MappingProxyType(
    {
        "supervised": _supervised(
            "mtneuro_ssl.methods.supervised:Supervised", "classify the region of whole images"
        ),
        "supervised+mixup": _supervised(
            "mtneuro_ssl.methods.supervised:SupervisedMixup", "the same, on convex mixtures of two images"
        ),
        "byol": _self_supervised(
            "mtneuro_ssl.methods.byol:BYOL",
            "predict a slow copy's projection of another view",
            keeps_heads=True,
        ),
        "myow": _self_supervised(
            "mtneuro_ssl.methods.myow:MYOW",
            "BYOL, and predict the nearest other sample through a second projector",
            keeps_heads=True,
        ),
        "myow-m": _self_supervised(
            "mtneuro_ssl.methods.myow_merged:MYOWMerged",
            "MYOW with one projector and predictor for both tasks",
            keeps_heads=True,
        ),
        "simsiam": _self_supervised(
            "mtneuro_ssl.methods.simsiam:SimSiam",
            "predict another view's projection, with no slow copy",
        ),
        "simclr": _self_supervised(
            "mtneuro_ssl.methods.simclr:SimCLR",
            "tell another view of the same image from those of others",
        ),
        "vicreg": _self_supervised(
            "mtneuro_ssl.methods.vicreg:VICReg",
            "agree between views, and keep features varied and uncorrelated",
        ),
        "barlow-twins": _self_supervised(
            "mtneuro_ssl.methods.barlow_twins:BarlowTwins",
            "make the views' cross-correlation the identity",
        ),
        "dino": _self_supervised(
            "mtneuro_ssl.methods.dino:DINO",
            "agree with a slow copy on classes of its own invention",
        ),
        "mae": _self_supervised(
            "mtneuro_ssl.methods.mae:MAE",
            "predict the patches that are hidden from the encoder",
            keeps_heads=True,
            encoders=("vit",),
            own={"encoder": "vit", "optimiser": "adamw", "learning_rate": 0.002, "betas": (0.9, 0.95)},
            weight_decay=0.05,
        ),
        "pca": MethodEntry(
            "mtneuro_ssl.methods.pca:PCA", "principal components of the pixels", family="classical"
        ),
        "nmf": MethodEntry(
            "mtneuro_ssl.methods.nmf:NMF", "non-negative parts of the pixels", family="classical"
        ),
        "untrained": MethodEntry(
            "mtneuro_ssl.model:untrained",
            "the encoder with random weights: the floor of every comparison",
            family="baseline",
        ),
    }
)

ENCODERS: Mapping[str, str] = MappingProxyType(
    {
        "resnet18": "mtneuro_ssl.resnet:resnet18",
        "resnet50": "mtneuro_ssl.resnet:resnet50",
        "vit": "mtneuro_ssl.vit:vit",
    }
)
"""Encoders of images."""

ENCODERS_3D: Mapping[str, str] = MappingProxyType(
    {
        "resnet18": "mtneuro_ssl.resnet:resnet18_3d",
        "resnet50": "mtneuro_ssl.resnet:resnet50_3d",
        "vit": "mtneuro_ssl.vit:vit_3d",
    }
)
"""The same encoders of subvolumes."""

ENCODERS_OF_POINTS: Mapping[str, str] = MappingProxyType({"deepsets": "mtneuro_ssl.deepsets:deepsets"})
"""Encoders of clouds of points."""


def method_names() -> tuple[str, ...]:
    """Return the name of every method.

    Examples
    --------
    >>> method_names()[:3]
    ('supervised', 'supervised+mixup', 'byol')
    """
    return tuple(METHODS)


def encoder_names() -> tuple[str, ...]:
    """Return the name of every encoder.

    Examples
    --------
    >>> encoder_names()
    ('resnet18', 'resnet50', 'vit', 'deepsets')
    """
    return (*ENCODERS, *ENCODERS_OF_POINTS)
