"""The registry of networks: name, paper, the sizes each takes, and the factory that makes it.

Nothing here loads torch: a factory is named as ``package.module:function`` and imported when a network is
built.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mtneuro_seg._shared.words import unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeRule:
    """Which image sizes a network takes.

    Examples
    --------
    >>> rule = SizeRule(multiple=(8, 32, 32), smallest=32)
    >>> rule.fits((8, 64, 96)), rule.fits((8, 64, 100))
    (True, False)
    >>> rule.padded((5, 20, 100))
    (8, 32, 128)
    """

    multiple: tuple[int, ...]
    """What each axis must be a multiple of, in the order of the image's axes."""

    smallest: int = 1
    """Least height and width."""

    smallest_alone: int = 1
    """Least height and width when a training batch holds one image: batch normalisation needs more than
    one value a channel at the deepest level."""

    least_batch: int = 1
    """Least number of images in a training batch."""

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether the network takes images of this shape."""
        return shape == self.padded(shape)

    def padded(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the smallest shape that holds ``shape`` and that the network takes."""
        floors = (1,) * (len(shape) - 2) + (self.smallest,) * 2
        return tuple(
            -(-max(n, floor) // m) * m for n, floor, m in zip(shape, floors, self.multiple, strict=True)
        )

    def trimmed(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the largest shape within ``shape`` that the network takes (the least one, if none is)."""
        least = self.padded((1,) * len(shape))
        return tuple(max(n // m * m, low) for n, m, low in zip(shape, self.multiple, least, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One entry of the registry."""

    name: str
    """The name that settings and the command line use."""

    title: str
    """The name in the tables of the benchmark's paper, or the network's own."""

    axes: Literal[2, 3]
    """2 for images ``(y, x)``, 3 for subvolumes ``(z, y, x)``."""

    family: str
    """Where the code comes from."""

    paper: str
    """Who described it."""

    factory: str
    """``package.module:function``; called with the settings, returns a ``torch.nn.Module``."""

    multiple: int
    """What height and width must be a multiple of; 0: it follows from the number of levels."""

    depth_multiple: int = 1
    """What the depth must be a multiple of (3D)."""

    smallest: int = 1
    """Least height and width."""

    smallest_alone: int = 1
    """Least height and width in a training batch of one image."""

    least_batch: int = 1
    """Least number of images in a training batch."""

    encoder: bool = False
    """Whether it is built on one of the encoders of segmentation-models-pytorch."""

    def size_rule(self, *, levels: int = 4) -> SizeRule:
        """Return the sizes that the network takes when it has ``levels`` levels."""
        by_levels = 2 ** (levels - 1)
        plane = self.multiple or by_levels
        depth = by_levels if self.multiple == 0 else self.depth_multiple
        return SizeRule(
            multiple=(depth,) * (self.axes - 2) + (plane, plane),
            smallest=self.smallest,
            smallest_alone=max(self.smallest_alone, 2 * plane if self.multiple == 0 else 1),
            least_batch=self.least_batch,
        )


_smp = partial(
    Network,
    axes=2,
    family="segmentation-models-pytorch",
    factory="mtneuro_seg.networks.smp:smp_network",
    encoder=True,
)

NETWORKS: dict[str, Network] = {
    entry.name: entry
    for entry in (
        Network(
            name="unet", title="2D U-Net", axes=2, family="ours", factory="mtneuro_seg.networks.unet:unet",
            multiple=0, paper="Ronneberger et al. 2015",
        ),
        _smp(name="manet", title="MA-Net", multiple=32, smallest_alone=64, paper="Fan et al. 2020"),
        _smp(
            name="fpn", title="FPN", multiple=32, smallest_alone=64,
            paper="Lin et al. 2017; Kirillov et al. 2019",
        ),
        _smp(name="unetplusplus", title="U-Net++", multiple=32, smallest_alone=64, paper="Zhou et al. 2018"),
        _smp(name="pan", title="PAN", multiple=16, smallest=128, least_batch=2, paper="Li et al. 2018"),
        _smp(
            name="pspnet", title="PSPNet", multiple=8, smallest=16, smallest_alone=32,
            paper="Zhao et al. 2017",
        ),
        Network(
            name="unet3d", title="3D U-Net", axes=3, family="ours",
            factory="mtneuro_seg.networks.unet:unet3d", multiple=0, paper="Cicek et al. 2016",
        ),
        Network(
            name="vnetlight", title="VNetLight", axes=3, family="ours",
            factory="mtneuro_seg.networks.vnetlight:vnetlight", multiple=8, depth_multiple=8,
            smallest_alone=16, paper="Milletari et al. 2016, the lighter form of Nikolaos 2019",
        ),
        Network(
            name="highresnet3d", title="HighResNet", axes=3, family="ours",
            factory="mtneuro_seg.networks.highresnet:highresnet3d", multiple=1,
            paper="Li et al. 2017, the form of Nikolaos 2019",
        ),
        Network(
            name="highresnet", title="HighResNet (MONAI)", axes=3, family="MONAI",
            factory="mtneuro_seg.networks.highresnet:highresnet", multiple=1, paper="Li et al. 2017",
        ),
        _smp(
            name="linknet", title="LinkNet", multiple=32, smallest_alone=64,
            paper="Chaurasia and Culurciello 2017",
        ),
        _smp(
            name="deeplabv3plus", title="DeepLabV3+", multiple=16, smallest=16, least_batch=2,
            paper="Chen et al. 2018",
        ),
        Network(
            name="swinunetr", title="SwinUNETR", axes=3, family="MONAI",
            factory="mtneuro_seg.networks.monai:swinunetr", multiple=32, smallest=64,
            paper="Hatamizadeh et al. 2022",
        ),
        Network(
            name="mednext", title="MedNeXt-S", axes=3, family="MONAI",
            factory="mtneuro_seg.networks.monai:mednext", multiple=16, smallest=16, smallest_alone=32,
            paper="Roy et al. 2023",
        ),
    )
}  # fmt: skip
"""Every network by the name that settings use, those of the paper first."""

UNET_WITH_ENCODER = _smp(
    name="unet",
    title="2D U-Net",
    multiple=32,
    smallest=32,
    smallest_alone=64,
    paper="Ronneberger et al. 2015",
)
"""What ``unet`` is where the settings name an encoder."""


def register(network: Network) -> None:
    """Add a network to the registry, so that settings and the command line know its name.

    Raises
    ------
    ValueError
        If the name is taken.
    """
    if network.name in NETWORKS:
        raise ValueError(f"a network's name must be new, got {network.name!r}, which is registered already")
    NETWORKS[network.name] = network


def model_names() -> list[str]:
    """Return the names of all networks, those of the benchmark first.

    Examples
    --------
    >>> model_names()[:3]
    ['unet', 'manet', 'fpn']
    """
    return list(NETWORKS)


def network(name: str) -> Network:
    """Return the registry's entry of a name.

    Raises
    ------
    ValueError
        If there is no network of that name; the message names the nearest.

    Examples
    --------
    >>> network("pspnet").title
    'PSPNet'
    """
    if name not in NETWORKS:
        raise ValueError(unknown_name("model", name, NETWORKS))
    return NETWORKS[name]
