"""``mtneuro-seg models``."""

from collections.abc import Iterator

from mtneuro_seg.registry import NETWORKS


def models(*, pretrained: bool = False) -> Iterator[str]:
    """List the networks: dimension, where the code comes from, the sizes they take, and their paper.

    - `mtneuro-seg models`
    - `mtneuro-seg models --pretrained`

    Parameters
    ----------
    pretrained
        List the trained models that come with the package instead, each with its version and digest, what it
        is for, and the command that remakes it.
    """
    if pretrained:
        from mtneuro_seg._shared.released import listing

        yield from listing()
        return
    yield f"{'name':<15}{'axes':<6}{'from':<29}{'size (multiples of)':<21}paper"
    for name, entry in NETWORKS.items():
        size = " x ".join(map(str, entry.size_rule().multiple))
        about = f"{entry.title}, {entry.paper}"
        yield f"{name:<15}{entry.axes}D{'':<4}{entry.family:<29}{size:<21}{about}"
