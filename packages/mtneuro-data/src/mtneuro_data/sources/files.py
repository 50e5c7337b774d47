"""Volumes in local files: which reader a path calls for."""

import glob
from pathlib import Path

from mtneuro_data.sources.array_file import open_npy, open_npz
from mtneuro_data.sources.image_stack import open_stack, open_tiff
from mtneuro_data.sources.nifti import open_nifti
from mtneuro_data.sources.zarr_store import is_zarr, open_zarr
from mtneuro_data.volume import Source

__all__ = ["level_number", "open_path"]


def open_path(text: str, /, *, writable: bool = False) -> Source:
    """Return the volume at a local path, which may be a glob pattern or carry a ``#key`` or ``#level``.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ValueError
        If what is there is not a volume, or not what its name says.
    """
    path, key = _path_and_key(text)
    if path.is_dir() and is_zarr(path):
        return open_zarr(path, level=level_number(text, key), writable=writable)
    if key is not None and path.suffix != ".npz":
        raise ValueError(f"only a .npz file takes a #key, and an OME-Zarr a #level, got {text}")
    if path.is_dir():
        return open_stack(sorted(_images(path)), str(path))
    if not path.exists():
        if glob.has_magic(text):
            found = [Path(name) for name in glob.glob(text)]  # noqa: PTH207 - absolute patterns too
            return open_stack(found, text)
        raise FileNotFoundError(f"no file or folder at {path}")
    if path.suffix == ".npy":
        return open_npy(path, writable=writable)
    if path.suffix == ".npz":
        return open_npz(path, key)
    if path.suffix.lower() in (".tif", ".tiff"):
        return open_tiff(path)
    if path.name.endswith((".nii", ".nii.gz")):
        return open_nifti(path)
    return open_stack([path], str(path))


def level_number(text: str, key: str | None, /) -> int | None:
    """Return the level that follows the ``#`` of an OME-Zarr's path or address, if any.

    Raises
    ------
    ValueError
        If it is no number.
    """
    if key is not None and not (key.isdecimal() and len(key) < 3):
        raise ValueError(f"a level is a number, as in volume.zarr#1, got {text}")
    return None if key is None else int(key)


def _path_and_key(text: str) -> tuple[Path, str | None]:
    whole = Path(text).expanduser()
    if whole.exists() or "#" not in text:
        return whole, None
    name, _, key = text.rpartition("#")
    return Path(name).expanduser(), key


def _images(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
