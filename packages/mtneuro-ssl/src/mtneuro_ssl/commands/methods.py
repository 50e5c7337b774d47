"""``mtneuro-ssl methods``."""

from collections.abc import Iterator

from mtneuro_ssl.registry import METHODS, encoder_names


def methods(*, pretrained: bool = False) -> Iterator[str]:
    """List the methods and encoders.

    Example: `mtneuro-ssl methods --pretrained`

    Parameters
    ----------
    pretrained
        List the trained models that come with the package instead, each with its version and digest, what it
        is for, and the command that remakes it.
    """
    if pretrained:
        from mtneuro_ssl._shared.released import listing

        yield from listing()
        return
    width = max(map(len, METHODS))
    for name, entry in METHODS.items():
        yield f"{name:{width}}  {entry.family:15}  {entry.summary}"
    own = "timm/<model>, package.module:factory, path/to/file.py:factory"
    yield f"encoders: {', '.join(encoder_names())}, {own}"
