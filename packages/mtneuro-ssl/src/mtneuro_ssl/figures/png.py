"""Write pictures as PNG files."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mtneuro_ssl._shared.files import written_beside


def save_png(path: Path, picture: UInt8[np.ndarray, "y x *channels"]) -> None:
    """Write a grey ``(y, x)`` or coloured ``(y, x, 3)`` picture, whole or not at all."""
    with written_beside(path) as beside:
        Image.fromarray(picture).save(beside, format="PNG")
