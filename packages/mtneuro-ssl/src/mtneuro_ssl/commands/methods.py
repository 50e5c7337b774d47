"""``mtneuro-ssl methods``."""

from collections.abc import Iterator

from mtneuro_ssl.registry import METHODS, encoder_names


def methods() -> Iterator[str]:
    """List the methods and encoders.

    Example: `mtneuro-ssl methods`
    """
    width = max(map(len, METHODS))
    for name, entry in METHODS.items():
        yield f"{name:{width}}  {entry.family:15}  {entry.summary}"
    own = "timm/<model>, package.module:factory, path/to/file.py:factory"
    yield f"encoders: {', '.join(encoder_names())}, {own}"
