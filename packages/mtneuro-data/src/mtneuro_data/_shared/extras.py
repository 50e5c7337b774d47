"""Refuse what needs an optional package, and name the extra that brings it."""

from importlib.util import find_spec

_DISTRIBUTION = __name__.partition(".")[0].replace("_", "-")


def check_extra(package: str, *, extra: str, what: str) -> None:
    """Raise ``ValueError`` unless an optional package is installed.

    Parameters
    ----------
    package
        The package, as it is imported.
    extra
        The extra of this distribution that brings it.
    what
        What needs it.
    """
    if find_spec(package) is None:
        raise ValueError(f"{what} needs the package {package!r}: pip install '{_DISTRIBUTION}[{extra}]'")
