"""``mtneuro-seg models``."""

from collections.abc import Iterator

from mtneuro_seg.registry import NETWORKS


def models() -> Iterator[str]:
    """List the networks: dimension, where the code comes from, the sizes they take, and their paper.

    Example: `mtneuro-seg models`
    """
    yield f"{'name':<15}{'axes':<6}{'from':<29}{'size (multiples of)':<21}paper"
    for name, entry in NETWORKS.items():
        size = " x ".join(map(str, entry.size_rule().multiple))
        about = f"{entry.title}, {entry.paper}"
        yield f"{name:<15}{entry.axes}D{'':<4}{entry.family:<29}{size:<21}{about}"
