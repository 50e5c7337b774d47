"""Units of length as the files of many formats name them; what is unknown stays unknown."""

import math
from collections.abc import Sequence

_MICROMETRES = {
    "angstrom": 1e-4, "angstroms": 1e-4, "å": 1e-4,
    "nm": 1e-3, "nanometer": 1e-3, "nanometers": 1e-3, "nanometre": 1e-3, "nanometres": 1e-3,
    "um": 1.0, "µm": 1.0, "micron": 1.0, "microns": 1.0,
    "micrometer": 1.0, "micrometers": 1.0, "micrometre": 1.0, "micrometres": 1.0,
    "mm": 1e3, "millimeter": 1e3, "millimeters": 1e3, "millimetre": 1e3, "millimetres": 1e3,
    "cm": 1e4, "centimeter": 1e4, "centimeters": 1e4, "centimetre": 1e4, "centimetres": 1e4,
    "m": 1e6, "meter": 1e6, "meters": 1e6, "metre": 1e6, "metres": 1e6,
    "in": 25400.0, "inch": 25400.0, "inches": 25400.0,
}  # fmt: skip


def micrometres(unit: object, /) -> float:
    """Return the micrometres in a unit of length; not a number where it is none, as a pixel is.

    Examples
    --------
    >>> micrometres("nm"), micrometres("pixel")
    (0.001, nan)
    """
    name = unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)
    # ImageJ escapes the sign of micro; Unicode has two of it, and two of Ångström.
    name = name.strip().strip('"').replace("\\u00B5", "µ").replace("μ", "µ").replace("\u212b", "Å")
    return _MICROMETRES.get(name.lower(), math.nan)


def in_words(size: Sequence[float], /) -> str:
    """Return the edges of a voxel in micrometres as a user reads them.

    Examples
    --------
    >>> in_words((0.04, 0.004, 0.004))
    '0.04 x 0.004 x 0.004 µm'
    """
    return " x ".join(f"{edge:g}" for edge in size) + " µm"


def stated_size(
    sizes: Sequence[float], units: Sequence[object] | str | float, /
) -> tuple[float, float, float] | None:
    """Return the edges of a voxel in micrometres; ``None`` unless all three are known and positive.

    Parameters
    ----------
    sizes
        Edges ``(z, y, x)`` as a file states them; 0, a negative number and infinity stand for unknown.
    units
        Their unit, or one for each; or the micrometres in it.

    Examples
    --------
    >>> stated_size((40, 4, 4), "nm")
    (0.04, 0.004, 0.004)
    >>> stated_size((1, 1, 1), "pixel"), stated_size((0, 1, 1), "nm")
    (None, None)
    """
    each = (units,) * 3 if isinstance(units, (str, int, float)) else units
    if len(sizes) != 3 or len(each) != 3:
        return None
    # Formats keep sizes as floats of 32 bits, which hold seven digits.
    z, y, x = (
        float(f"{size * (unit if isinstance(unit, (int, float)) else micrometres(unit)):.7g}")
        for size, unit in zip(sizes, each, strict=True)
    )
    known = all(math.isfinite(edge) and edge > 0 for edge in (z, y, x))
    return (z, y, x) if known else None
