"""Open a volume or a stack of images: .npy, .npz, Zarr and OME-Zarr here, all else through a plug-in.

A package that reads other formats or databases offers that under the entry point ``mtneuro.volumes``: a
function that takes a URI and returns what has ``shape``, ``dtype`` and ``voxel_size_um`` and takes one slice
an axis, ``[z0:z1, y0:y1, x0:x1]``. `mtneuro-data` does.
"""

import io
import math
import operator
import os
import zipfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.lib import format as npy

from .bounds import MemoryBoundError, check_memory
from .channels import check_no_channels
from .ome import level_number, levels_of, voxel_size
from .words import one_line

FORMAT_VERSION = 1
"""Version of the .npz files of images that the packages exchange."""

ENTRY_POINT = "mtneuro.volumes"

_ABOUT = (
    "format_version",
    "sample_id",
    "voxel_size_um",
    "class_names",
    "region",
    "region_names",
    "fingerprint",
    "intensity",
)
"""Arrays of an .npz that describe the images."""

_SAME_ARRAY = {"images": ("images", "image"), "image": ("image", "images"), "masks": ("masks", "labels")}
"""Names under which an array is looked for in an .npz."""

_LISTS = {"t", "time", "c", "channel"}
"""Leading axes that are dropped where they have one entry."""


@runtime_checkable
class LazyArray(Protocol):
    """An array, or what is read when it is sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Entries on each axis."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the voxels."""
        ...

    def __getitem__(self, key: Any, /) -> Any:
        """Return some of the voxels."""
        ...


@runtime_checkable
class Ranges(Protocol):
    """Half-open ranges along z, y and x."""

    def slices(self, shape: Sequence[int], /) -> tuple[slice, slice, slice]:
        """Return the ranges as slices of a volume of some shape; ``ValueError`` where one leaves it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumeFile:
    """An array of voxels, and what its file says about it."""

    name: str
    """Where it was found."""

    array: LazyArray
    """``(z, y, x)``, for images ``(image, y, x)``, or ``(image, z, y, x)``; read where it is sliced."""

    voxel_size_um: tuple[float, float, float] | None = None
    """Edges of a voxel ``(z, y, x)`` in micrometres, where the file says."""

    sample_id: tuple[str, ...] | None = None
    """Id of each image, where the file has them."""

    class_names: tuple[str, ...] | None = None
    """Names of the labels, where the file has them."""

    region: np.ndarray | None = None
    """Region of each image as an integer, where the file has it."""

    region_names: tuple[str, ...] | None = None
    """Names of the regions, where the file has them."""

    intensity: tuple[float, float] | None = None
    """Intensities that became black and white, where the file holds the grey levels of such a window."""

    lower: tuple[int, int, int] = (0, 0, 0)
    """First voxel ``(z, y, x)`` of the part that was asked for."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the array's axes."""
        return ("n", "z", "y", "x")[-len(self.array.shape) :]

    def __post_init__(self) -> None:
        count = self.array.shape[0]
        for what, values in (("sample_id", self.sample_id), ("region", self.region)):
            if values is not None and len(values) != count:
                raise ValueError(
                    f"{what} of {self.name} must have {count} entries, one per image, got {len(values)}"
                )

    def loaded(self) -> np.ndarray:
        """Return the whole array in memory, or mapped where its file is.

        Raises
        ------
        ValueError
            If it is larger than the memory at hand.
        """
        if not isinstance(self.array, np.ndarray):
            check_memory(self.name, math.prod(self.array.shape) * self.array.dtype.itemsize)
        return np.asarray(self.array[...])


def open_volume_file(uri: str | Path, /, *, key: str = "images", ranges: Ranges | None = None) -> VolumeFile:
    """Return the volume, or the images, at a path or a URI; nothing but an .npz is read before it is sliced.

    Parameters
    ----------
    uri
        A ``.npy`` or ``.npz`` file (``#key`` names an array of the latter), a Zarr array, an OME-Zarr group
        (its finest level, or ``#1`` and so on), either also as a ``.zarr.zip``, or whatever an installed
        package opens through the entry point ``mtneuro.volumes``.
    key
        Array of an ``.npz`` that is wanted where the URI names none: ``images`` or ``masks``.
    ranges
        Part of the volume to give.

    Raises
    ------
    FileNotFoundError
        If there is nothing at that place.
    ValueError
        If it is not what its name says, its axes are no volume's, or nothing installed can open it.
    """
    text = str(uri)
    path, fragment = _path_and_fragment(text)
    if is_zarr(path):
        found = open_zarr(path, level=fragment)
    elif path.suffix.lower() == ".npz" and path.is_file():
        found = _from_npz(path, fragment, key)
    elif path.suffix.lower() == ".npy" and path.is_file():
        found = VolumeFile(name=text, array=_volume(mapped(path), None, text))
    else:
        found = _from_plugin(text)
    return found if ranges is None else _within(found, ranges)


def is_zarr(path: Path, /) -> bool:
    """Return whether a folder is a Zarr array or group, or a file is one in a zip archive."""
    return _is_zipped(path) or any((path / name).is_file() for name in ("zarr.json", ".zarray", ".zgroup"))


def zarr_node(store: str | Path, /) -> Any:
    """Return the Zarr array or group at a folder, an address that Zarr knows, or a ``.zarr.zip``, to read.

    Raises
    ------
    ValueError
        If it is none.
    """
    import zarr
    from zarr.storage import ZipStore

    try:
        return zarr.open(ZipStore(store, mode="r") if _is_zipped(Path(store)) else str(store), mode="r")
    except Exception as error:  # what zarr raises for a broken store has no common class
        raise ValueError(f"{store} is not a readable Zarr store: {one_line(error)}") from None


def _is_zipped(path: Path) -> bool:
    return path.name.lower().endswith(".zarr.zip") and path.is_file()


def _path_and_fragment(text: str) -> tuple[Path, str | None]:
    whole = Path(text).expanduser()
    if whole.exists() or "#" not in text:
        return whole, None
    name, _, fragment = text.rpartition("#")
    return Path(name).expanduser(), fragment


def mapped(path: Path, /) -> np.ndarray:
    """Return the array of a ``.npy`` file, mapped; nothing is read before it is used.

    Raises
    ------
    ValueError
        If it is no such file of plain numbers, or shorter than it claims.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(npy.MAGIC_PREFIX))
            if magic != npy.MAGIC_PREFIX:
                raise ValueError("it does not begin as one")
            file.seek(0)
            _check_claim(file, os.fstat(file.fileno()).st_size)
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a readable .npy file: {error}") from None


def _check_claim(file: io.BufferedIOBase, n_bytes: int) -> None:
    """Raise ``ValueError`` where the header of an array claims more than the file's bytes hold."""
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"its version must be 1.0 or 2.0, got {version[0]}.{version[1]}")
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    claimed, held = math.prod(shape) * dtype.itemsize, n_bytes - file.tell()
    # Objects are refused by name when they are read.
    if claimed > held and not dtype.hasobject:
        raise ValueError(f"its array must lie in the file, got a claim of {claimed:,} bytes of {held:,}")


@contextmanager
def opened_archive(
    path: str | os.PathLike[str], /, *, what: str = "a readable .npz file"
) -> Generator[Mapping[str, np.ndarray]]:
    """Give the arrays of an ``.npz`` file, each read when it is looked up; nothing in it is executed.

    Parameters
    ----------
    path
        The file.
    what
        What it shall be, for the message that says that it is not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no archive of plain arrays, an array that is looked up needs more memory than there is at
        hand, or what the block raises as ``ValueError`` or ``KeyError``; the message names the file.
    """
    try:
        # NumPy leaves a file open that it opened itself and could not read.
        with Path(path).open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no zip archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                yield _Archive(archive, str(path))
    except MemoryBoundError:
        raise
    except (zipfile.BadZipFile, EOFError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not {what}: {error}") from None


class _Archive(Mapping[str, np.ndarray]):
    """The arrays of an archive, each measured before it is unpacked."""

    def __init__(self, archive: np.lib.npyio.NpzFile, path: str) -> None:
        self._archive, self._path = archive, path

    def __iter__(self) -> Iterator[str]:
        return iter(self._archive.files)

    def __len__(self) -> int:
        return len(self._archive.files)

    def __contains__(self, name: object) -> bool:
        return name in self._archive.files

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._archive.files:
            raise KeyError(f"{name} is not a file in the archive")
        packed: Any = self._archive.zip
        names = packed.namelist()
        member = packed.getinfo(f"{name}.npy" if f"{name}.npy" in names else name)
        # The others are unpacked in pieces of any size.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} must be stored or deflated, got another packing")
        check_memory(f"{name} of {self._path}", member.file_size)
        with packed.open(member) as file:
            _check_claim(file, member.file_size)
        return self._archive[name]


def _from_npz(path: Path, fragment: str | None, key: str) -> VolumeFile:
    with opened_archive(path) as archive:
        if int(archive.get("format_version", np.array(FORMAT_VERSION))) != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, got {archive['format_version']}")
        name = _chosen(list(archive), fragment, key)
        held = {each: archive[each] for each in archive if each == name or each in _ABOUT}
    region = held.get("region")
    if region is not None and (region.ndim != 1 or region.dtype.kind not in "ui"):
        raise ValueError(f"region of {path} must be one integer per image, got {region.dtype} {region.shape}")
    return VolumeFile(
        name=str(path),
        array=_volume(held[name], None, f"{path}#{name}", stated="sample_id" in held),
        voxel_size_um=voxel_size(held.get("voxel_size_um"), name=str(path)),
        sample_id=_words(held.get("sample_id")),
        class_names=_words(held.get("class_names")),
        region=region,
        region_names=_words(held.get("region_names")),
        intensity=stored_window(held.get("intensity"), name=str(path)),
    )


def _chosen(names: Sequence[str], fragment: str | None, key: str) -> str:
    """Return the name of the wanted array of an archive."""
    arrays = [name for name in names if name not in _ABOUT]
    if fragment is not None:
        if fragment in names:
            return fragment
        raise ValueError(f"it has no array {fragment!r}, only {', '.join(arrays) or 'none'}")
    wanted = _SAME_ARRAY.get(key, (key,))
    for name in wanted:
        if name in names:
            return name
    # A single array of another name is meant, unless its name says that it is something else.
    if len(arrays) == 1 and not any(arrays[0] in same for same in _SAME_ARRAY.values()):
        return arrays[0]
    raise ValueError(
        f"it must hold the array {key!r}, got {', '.join(arrays) or 'none'}; name another as FILE.npz#NAME"
    )


def open_zarr(store: str | Path, /, *, level: str | None = None) -> VolumeFile:
    """Return the volume of a Zarr array, or of a level of an OME-Zarr group.

    Parameters
    ----------
    store
        A folder, or an address that Zarr knows how to open.
    level
        Number of the level, as text; the finest by default, and none of an array.

    Raises
    ------
    ValueError
        If it is no store, has no such level, or its axes are no volume's.
    """
    import zarr

    node = zarr_node(store)
    size = None
    axes: Sequence[str | None] | None = None
    if isinstance(node, zarr.Group):
        levels = levels_of(dict(node.attrs), name=str(store))
        at = level_number(levels, level, name=str(store))
        axes, size = levels[at].axes, levels[at].voxel_size_um
        try:
            node = node[levels[at].path]
        except (KeyError, TypeError):
            raise ValueError(
                f"{store}: the array {levels[at].path!r} of its level {at} is not there"
            ) from None
    elif level is not None:
        raise ValueError(f"{store} is one array and has no levels, got #{level}")
    if not isinstance(node, zarr.Array):
        raise ValueError(f"{store}: a level must be an array, got a group")
    about: Mapping[str, Any] = dict(node.attrs)
    axes = axes or about.get("_ARRAY_DIMENSIONS") or getattr(node.metadata, "dimension_names", None)
    return VolumeFile(
        name=str(store) if level is None else f"{store}#{level}",
        array=_volume(BoundedArray(node, name=str(store)), axes, str(store)),
        voxel_size_um=size or voxel_size(about.get("voxel_size_um"), name=str(store)),
        sample_id=_words(about.get("sample_id")),
        class_names=_words(about.get("class_names")),
        region=None if about.get("region") is None else np.array(about["region"], np.int64),
        region_names=_words(about.get("region_names")),
    )


class BoundedArray:
    """A Zarr array of numbers that refuses to read more than the memory at hand.

    Parameters
    ----------
    array
        The array.
    name
        What messages call it.

    Raises
    ------
    ValueError
        If it holds something else than numbers.
    """

    def __init__(self, array: Any, *, name: str) -> None:
        # Only numbers: a store can hold pickled objects, and to read those is to run them.
        if array.dtype.kind not in "buif":
            raise ValueError(f"{name}: a volume holds numbers, got the type {array.dtype}")
        self._array, self._name = array, name
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.chunks: tuple[int, ...] = tuple(array.chunks)
        self.path: str = array.path

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any, /) -> Any:
        item = self.dtype.itemsize
        check_memory(
            f"a chunk of {self._name}", math.prod(self.chunks) * item, remedy="write it with smaller chunks"
        )
        check_memory(f"what is read of {self._name}", _selected(self.shape, key) * item)
        return self._array[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype=dtype)


def _selected(shape: tuple[int, ...], key: Any) -> int:
    """Return how many elements a key of slices, indices and a list of them picks."""
    return math.prod(
        len(range(*each.indices(size))) if isinstance(each, slice) else np.size(each)
        for each, size in zip(_whole_key(key, len(shape)), shape, strict=True)
    )


def _whole_key(key: Any, ndim: int) -> tuple[Any, ...]:
    """Return a key with one entry an axis."""
    given = key if isinstance(key, tuple) else (key,)
    at = next((at for at, each in enumerate(given) if each is Ellipsis), None)
    if at is not None:
        given = (*given[:at], *[slice(None)] * (ndim - len(given) + 1), *given[at + 1 :])
    if len(given) > ndim:
        raise IndexError(f"{ndim} axes take at most as many indices, got {len(given)}")
    return (*given, *[slice(None)] * (ndim - len(given)))


def _from_plugin(text: str) -> VolumeFile:
    for point in entry_points(group=ENTRY_POINT):
        volume = point.load()(text)
        return VolumeFile(name=text, array=_View(volume), voxel_size_um=volume.voxel_size_um)
    if "://" not in text and not Path(text.partition("#")[0]).expanduser().exists():
        raise FileNotFoundError(f"no file or folder at {text}; check the path")
    raise ValueError(
        f"{text} is no .npy, .npz, Zarr or OME-Zarr: `pip install mtneuro-data` lets other formats and "
        "databases be named here"
    )


def _volume(array: Any, names: Sequence[str | None] | None, name: str, *, stated: bool = False) -> LazyArray:
    """Return an array with the axes ``(z, y, x)`` or ``(n, z, y, x)``, as its named axes allow."""
    shape = tuple(array.shape)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name}: a volume holds numbers, got the type {array.dtype}")
    axes = [None if each is None else str(each).lower() for each in names or [None] * len(shape)]
    space = [each for each in axes if each in ("z", "y", "x")]
    if len(axes) != len(shape) or axes[len(axes) - len(space) :] != sorted(space, reverse=True):
        told = ", ".join(map(str, names or ()))
        raise ValueError(f"{name}: a volume's axes end in z, y, x, got {told}; transpose it first")
    lead = next((at for at, each in enumerate(axes) if each not in _LISTS), len(axes))
    if any(size > 1 for size in shape[:lead]):
        told = ", ".join(f"{each}: {size}" for each, size in zip(axes[:lead], shape, strict=False))
        raise ValueError(
            f"{name}: a volume has one channel and one time, got {told}; write one of them apart"
        )
    if not 2 <= len(shape) - lead <= 4:
        raise ValueError(f"{name}: a volume has the axes (z, y, x), got the shape {shape}")
    if 0 in shape:
        raise ValueError(f"{name}: a volume must hold voxels, got the shape {shape}")
    if not space:
        check_no_channels(shape[lead:], name=name, subvolumes=stated)
    if lead or len(shape) == 2 or not array.dtype.isnative:
        return _View(array, lead=lead, flat=len(shape) - lead == 2)
    return array


def stored_window(values: Any, /, *, name: str) -> tuple[float, float] | None:
    """Return the intensities that a file says became black and white; ``None`` stays ``None``.

    Raises
    ------
    ValueError
        If they are anything but two ascending numbers.
    """
    if values is None:
        return None
    try:
        low, high = (float(value) for value in values)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise ValueError(f"intensity of {name} must be two ascending numbers, got {values}")
    return low, high


def _words(values: Any) -> tuple[str, ...] | None:
    return None if values is None else tuple(map(str, values))


def _within(found: VolumeFile, ranges: Ranges) -> VolumeFile:
    """Return part of a volume; of its images, their ids and regions with them."""
    shape = found.array.shape
    if len(shape) != 3:
        raise ValueError(f"--z, --y and --x cut a volume (z, y, x), got the shape {shape} of {found.name}")
    z, y, x = ranges.slices(shape)
    return replace(
        found,
        array=_View(found.array, box=(z, y, x)),
        sample_id=None if found.sample_id is None else found.sample_id[z],
        region=None if found.region is None else found.region[z],
        lower=(z.start, y.start, x.start),
    )


class _View:
    """Part of an array that is read when it is sliced, in this machine's order of bytes.

    Parameters
    ----------
    array
        The array, or what takes one slice an axis.
    lead
        Leading axes of one entry that are left out.
    flat
        Whether the array is one slice, given as ``(z, y, x)``.
    box
        The part along each axis; all by default.
    """

    def __init__(
        self, array: Any, *, lead: int = 0, flat: bool = False, box: Sequence[slice] | None = None
    ) -> None:
        self._array, self._lead, self._flat = array, lead, flat
        inside = (*((1,) if flat else ()), *array.shape[lead:])
        self._box = tuple(box or (slice(0, size) for size in inside))
        self.shape: tuple[int, ...] = tuple(part.stop - part.start for part in self._box)
        self.dtype: np.dtype[Any] = array.dtype.newbyteorder("=")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, key: Any, /) -> Any:
        if isinstance(key, (list, np.ndarray)):
            return np.stack([self[int(at)] for at in np.asarray(key)])
        picked = [self._picked(each, axis) for axis, each in enumerate(_whole_key(key, self.ndim))]
        read = tuple(
            slice(part.start + lo, part.start + hi)
            for part, (lo, hi, _) in zip(self._box, picked, strict=True)
        )
        if not isinstance(self._array, np.ndarray):
            n = math.prod(part.stop - part.start for part in read)
            check_memory("what is read of a volume", n * self.dtype.itemsize)
        if self._flat:
            voxels = np.asarray(self._array[(0,) * self._lead + read[1:]])[None]
        else:
            voxels = np.asarray(self._array[(0,) * self._lead + read])
        return voxels[tuple(after for _, _, after in picked)].astype(self.dtype, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[...], dtype=dtype)

    def _picked(self, key: Any, axis: int) -> tuple[int, int, Any]:
        """Return the range to read along an axis, and what to take of it."""
        size = self.shape[axis]
        if isinstance(key, slice):
            places = range(size)[key]
            if not places:
                return 0, 0, slice(None)
            lo, hi = min(places[0], places[-1]), max(places[0], places[-1]) + 1
            step = places.step
            return lo, hi, slice(None, None, step)
        at = operator.index(key)
        if not -size <= at < size:
            raise IndexError(f"index {at} is out of bounds for the axis {axis} of {size}")
        at %= size
        return at, at + 1, 0
