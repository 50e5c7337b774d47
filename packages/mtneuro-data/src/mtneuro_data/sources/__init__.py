"""The kinds of storage that volumes are read from; a new kind is one file here and one line below."""

import glob
import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mtneuro_data._shared.words import unknown_name
from mtneuro_data.sources.base import File, Location, Source

if TYPE_CHECKING:
    from mtneuro_data.sources.boss import BossServer

__all__ = ["executed_modules", "locate"]

SCHEMES = {
    "bossdb": "mtneuro_data.sources.boss:located",
    "gs": "mtneuro_data.sources.address:located",
    "http": "mtneuro_data.sources.address:located",
    "https": "mtneuro_data.sources.address:located",
    "phantom": "mtneuro_data.sources.phantom:located",
    "precomputed": "mtneuro_data.sources.precomputed:located",
    "s3": "mtneuro_data.sources.address:located",
}
"""For each scheme, the function that returns the `Location` of a URI, given the database to ask."""

ENDINGS = {
    ".h5": "mtneuro_data.sources.hdf5:open_hdf5",
    ".hdf": "mtneuro_data.sources.hdf5:open_hdf5",
    ".hdf5": "mtneuro_data.sources.hdf5:open_hdf5",
    ".hdr": "mtneuro_data.sources.nifti:open_nifti",
    ".img": "mtneuro_data.sources.nifti:open_nifti",
    ".map": "mtneuro_data.sources.mrc:open_mrc",
    ".mrc": "mtneuro_data.sources.mrc:open_mrc",
    ".n5": "mtneuro_data.sources.n5:open_folder",
    ".nhdr": "mtneuro_data.sources.nrrd:open_nrrd",
    ".nii": "mtneuro_data.sources.nifti:open_nifti",
    ".nii.gz": "mtneuro_data.sources.nifti:open_nifti",
    ".npy": "mtneuro_data.sources.array_file:open_npy",
    ".npz": "mtneuro_data.sources.array_file:open_npz",
    ".nrrd": "mtneuro_data.sources.nrrd:open_nrrd",
    ".rec": "mtneuro_data.sources.mrc:open_mrc",
    ".tif": "mtneuro_data.sources.tiff:open_tiff",
    ".tiff": "mtneuro_data.sources.tiff:open_tiff",
    ".zarr": "mtneuro_data.sources.zarr_store:open_folder",
    ".zarr.zip": "mtneuro_data.sources.zarr_store:open_folder",
}
"""For each ending of a path, the function that opens a `File`; what `FOLDERS` opens may have any name."""

FOLDERS = {
    "zarr.json": "mtneuro_data.sources.zarr_store:open_folder",
    ".zarray": "mtneuro_data.sources.zarr_store:open_folder",
    ".zgroup": "mtneuro_data.sources.zarr_store:open_folder",
    "attributes.json": "mtneuro_data.sources.n5:open_folder",
    "info": "mtneuro_data.sources.precomputed:open_folder",
}
"""For each file that tells what a folder is, the function that opens it; the first that is there counts."""

_MICROSCOPES = "convert it with bioformats2raw, or open it in Fiji and save it as TIFF"

CONVERTERS = {
    **dict.fromkeys((".czi", ".lif", ".lsm", ".nd2", ".ims", ".oib", ".oif", ".oir", ".vsi"), _MICROSCOPES),
    **dict.fromkeys((".dm3", ".dm4", ".am", ".svs", ".ndpi", ".zvi", ".v3draw"), _MICROSCOPES),
    ".b2nd": "read it with blosc2, and save the array with numpy.save",
    ".mat": "read it with scipy.io.loadmat, and save the array with numpy.save",
    ".mgh": "convert it with mri_convert to .nii.gz",
    ".mgz": "convert it with mri_convert to .nii.gz",
    ".mnc": "convert it with mnc2nii to .nii",
    ".pickle": "it is a program: whoever wrote it can save the array with numpy.save",
    ".pkl": "it is a program: whoever wrote it can save the array with numpy.save",
    ".pt": "read it with torch.load(weights_only=True), and save the array with numpy.save",
    ".raw": "it does not say its shape: save numpy.fromfile(...).reshape(...) with numpy.save",
    ".zip": "unpack it; a Zarr in a zip is named .zarr.zip",
    **dict.fromkeys((".bz2", ".gz", ".tar", ".tgz", ".xz"), "unpack it"),
    **dict.fromkeys((".avi", ".mov", ".mp4"), "save its frames as TIFF"),
}
"""What to do with a file of an ending that is not read."""

IMAGES = "mtneuro_data.sources.image_stack:open_images"
"""The function that opens folders and patterns of images, and files with any other ending."""

_APART = {
    f"mtneuro_data.sources.{name}": ("mtneuro_data.sources.reader",)
    for name in ("address", "n5", "precomputed")
}
"""What some modules execute in a process of its own, which they do not import."""

_CHANNEL_ADDRESS = re.compile(r"https?://[^/]+/v1/mgmt/resources/[^/]+/[^/]+/[^/]+/?")
"""The database's own web address of a channel, as the paper prints it."""


def locate(uri: str, /, *, server: "BossServer | None" = None, writable: bool = False) -> Location:
    """Return the location of a volume by its URI, without opening it; see `mtneuro_data.open_volume`.

    Parameters
    ----------
    uri
        The volume's URI, or a path.
    server
        The database to ask, for ``bossdb://``.
    writable
        Open a file for writing too.

    Raises
    ------
    ValueError
        If the URI is malformed or of an unknown kind.

    Examples
    --------
    >>> locate("phantom://image?seed=7").cache_key
    ('phantom', 'v7', 'seed7-720x1420x5805', 'image', 0)
    """
    function, file = _kind(uri)
    if file is None:
        return _loaded(function)(uri, server)
    return Location(uri, partial(_opened, function, file._replace(writable=writable)))


def executed_modules(uri: str, /) -> tuple[str, ...]:
    """Return the modules that reading a URI executes beyond those that `mtneuro_data.volume` imports.

    Examples
    --------
    >>> executed_modules("volume.npy")
    ('mtneuro_data.sources.array_file',)
    """
    module = _kind(uri)[0].partition(":")[0]
    return (module, *_APART.get(module, ()))


def _kind(uri: str) -> tuple[str, File | None]:
    """Return the function that opens a URI, and the file that it names unless it has another scheme."""
    scheme, mark, _ = uri.partition("://")
    if mark and scheme != "file":
        if _CHANNEL_ADDRESS.fullmatch(uri):
            return SCHEMES["bossdb"], None
        if scheme not in SCHEMES:
            name = unknown_name("the kind of volume", scheme, [*SCHEMES, "file"])
            raise ValueError(f"{name}, in {uri}; a volume may be a path too")
        return SCHEMES[scheme], None
    file = _file(_path_of(uri) if mark else uri)
    name = file.path.name.lower()
    holds = next((part for part in FOLDERS if (file.path / part).is_file()), None)
    if holds is not None:
        return FOLDERS[holds], file
    found = next((ending for ending in ENDINGS if name.endswith(ending)), None)
    told = next((ending for ending in CONVERTERS if name.endswith(ending)), None)
    if found is None and told is not None and file.path.is_file():
        raise ValueError(f"{file.path}: a {told} is not read; {CONVERTERS[told]}")
    return (IMAGES if found is None or file.path.is_dir() or _is_pattern(file.path) else ENDINGS[found]), file


def _path_of(uri: str) -> str:
    from urllib.request import url2pathname

    address, mark, key = uri.partition("#")
    return url2pathname(urlsplit(address).path) + mark + key


def _file(text: str) -> File:
    whole = Path(text).expanduser()
    if whole.exists() or "#" not in text:
        return File(whole)
    name, _, key = text.rpartition("#")
    return File(Path(name).expanduser(), key)


def _is_pattern(path: Path) -> bool:
    return not path.exists() and glob.has_magic(str(path))


def _opened(function: str, file: File) -> Source:
    if file.key is not None and function not in (ENDINGS[".npz"], ENDINGS[".h5"], *FOLDERS.values()):
        raise ValueError(
            "only a .npz file takes a #key, an HDF5 file an array's #name, and an OME-Zarr, an N5 or a "
            "precomputed volume a #level, got "
            f"{file.path}#{file.key}"
        )
    if not file.path.exists() and not _is_pattern(file.path):
        raise FileNotFoundError(f"no file or folder at {file.path}; check the path")
    return _loaded(function)(file)


def _loaded(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    return getattr(import_module(module), name)
