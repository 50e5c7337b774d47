"""Volumes shown by Neuroglancer, in a browser on this machine: viewer and voxels are served from here."""

import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np

from mtneuro_data._shared.extras import check_extra
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Corner
from mtneuro_data.display import display_range
from mtneuro_data.sources import locate
from mtneuro_data.volume import Volume

_MOST_BODY_BYTES = 16 << 20
"""Largest request that is read; what a viewer sends is its state."""

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - names that a link cannot hold
"""Hosts that stand for every address of this machine."""

_MESH_BYTES = 256 << 20
"""Largest label volume that is read as a whole, for surfaces."""

_REDUCED_AT_MOST = 64
"""Voxels of the finest level that a voxel of a coarser view stands for, where reading them is cheap."""

_SHOWN_AS = {"bool": "uint8", "float16": "float32", "float64": "float32"}
"""Types that Neuroglancer does not know, and what their voxels are shown as."""


class VolumeView:
    """A page that shows a volume, and labels over it, in Neuroglancer, served by this process.

    Only whoever has the link, with its random token, gets an answer. Voxels are read when they are looked at,
    slice by slice. A process has one page at a time.

    Parameters
    ----------
    image
        What to show. Where its storage states that it holds labels, it is shown as such.
    labels
        Labels to show over it: a volume of whole numbers. Where it states no voxel size, it has the image's.
    host, port
        Where to listen; the loopback address by default, and any free port for 0.
    at
        The voxel ``(z, y, x)`` to show first, by default the middle of the volume.
    failed
        Called with one line when voxels cannot be read; the page shows it too.

    Raises
    ------
    ValueError
        If the package neuroglancer is not installed, ``at`` lies outside the volume, or the labels are no
        whole numbers, or have another shape and no voxel size to relate the two.
    OSError
        If it cannot listen there.

    Examples
    --------
    >>> from mtneuro_data import open_volume
    >>> with VolumeView(open_volume("phantom://image?shape=16,64,64")) as view:
    ...     view.link.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        image: Volume,
        labels: Volume | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        at: Corner | None = None,
        failed: Callable[[str], object] | None = None,
    ) -> None:
        check_extra("neuroglancer", extra="view", what="a view of a volume")
        if not 0 <= port < 1 << 16:
            raise ValueError(f"port must lie within [0, 65536), got {port}")
        z, y, x = image.shape
        place: Corner = (z // 2, y // 2, x // 2) if at is None else at
        if not all(0 <= each < size for each, size in zip(place, image.shape, strict=True)):
            raise ValueError(f"the voxel to show first must lie in {image.uri}, {image.shape}, got {place}")
        if labels is not None:
            _check_labels(image, labels)
        import neuroglancer

        self._neuroglancer: Any = neuroglancer
        if neuroglancer.is_server_running():
            raise ValueError("a process has one view at a time: close the other one first")
        _check_address(host, port)
        neuroglancer.set_server_bind_address(host, port)
        # Credentials of this machine's user are not for the page.
        self.viewer: Any = neuroglancer.Viewer(allow_credentials=False)
        server: Any = neuroglancer.server.global_server
        server.http_server.max_buffer_size = _MOST_BODY_BYTES
        name = f"[{host}]" if ":" in host else host
        if host in _EVERYWHERE:
            name = socket.gethostname()
        self.port: int = server.port
        self.link = f"http://{name}:{self.port}/v/{self.viewer.token}/"
        self._show(image, labels, place, failed)

    def _show(
        self, image: Volume, labels: Volume | None, place: Corner, failed: Callable[[str], object] | None
    ) -> None:
        package = self._neuroglancer
        size = image.voxel_size_um
        kind = "segmentation" if image.kind == "annotation" else "image"
        shown = [("labels" if kind == "segmentation" else "image", image, size, kind)]
        if labels is not None:
            shown.append(
                (
                    "labels over it" if kind == "segmentation" else "labels",
                    labels,
                    labels.voxel_size_um or size,
                    "segmentation",
                )
            )
        with self.viewer.txn() as state:
            state.dimensions = _space(package, size)
            state.display_dimensions = ["x", "y", "z"]
            state.position = [first + each + 0.5 for first, each in zip(image.offset, place, strict=True)]
            # One voxel a pixel: as many as are seen are read.
            state.cross_section_scale = 1
            state.layout = "xy"
            for name, volume, voxel_size, sort in shown:
                local = _local_volume(package, volume, voxel_size, sort, failed)
                if sort == "image":
                    controls = {"normalized": {"range": list(display_range(volume, place))}}
                    state.layers[name] = package.ImageLayer(source=local, shader_controls=controls)
                else:
                    state.layers[name] = package.SegmentationLayer(source=local)

    def close(self) -> None:
        """Stop serving; the link is dead then."""
        self._neuroglancer.stop()

    def __enter__(self) -> "VolumeView":  # noqa: PYI034 - beartype knows Self in classes only
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_address(host: str, port: int) -> None:
    """Raise ``OSError`` unless a server can listen at an address."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        words = error.strerror or one_line(error)
        raise OSError(
            f"cannot listen on {host}:{port}: {words}; give another port, or 0 for a free one"
        ) from error


def _check_labels(image: Volume, labels: Volume) -> None:
    if labels.dtype.kind not in "bui":
        raise ValueError(f"{labels.uri}: labels must be whole numbers, got {labels.dtype}")
    related = image.voxel_size_um is not None and labels.voxel_size_um is not None
    if not related and labels.shape != image.shape:
        raise ValueError(
            f"labels without a voxel size must have the image's shape (z, y, x), {image.shape}, got "
            f"{labels.shape} of {labels.uri}"
        )


def _space(package: Any, size: tuple[float, float, float] | None) -> Any:
    """Return the coordinates of an array ``(z, y, x)`` with that voxel size."""
    units = ["um"] * 3 if size else [""] * 3
    return package.CoordinateSpace(names=["z", "y", "x"], units=units, scales=size or (1, 1, 1))


def _local_volume(
    package: Any,
    volume: Volume,
    size: tuple[float, float, float] | None,
    sort: str,
    failed: Callable[[str], object] | None,
) -> Any:
    """Return what Neuroglancer serves a volume by: slice by slice, reduced only where that reads little."""
    local: Any = package.local_volume

    class Slices(local.LocalVolume):
        def get_object_mesh(self, object_id: int) -> Any:
            if volume.nbytes > _MESH_BYTES:
                raise local.MeshesNotSupportedForVolume
            return super().get_object_mesh(object_id)

    location = locate(volume.uri)
    costly = location.remote or location.cache_key is not None
    return Slices(
        _Voxels(volume, sort, failed),
        dimensions=_space(package, size),
        volume_type=sort,
        voxel_offset=volume.offset,
        downsampling="2d",
        max_downsampling=1 if costly else _REDUCED_AT_MOST,
    )


class _Voxels:
    """A volume as Neuroglancer reads one: by slices, of types that it knows."""

    def __init__(self, volume: Volume, sort: str, failed: Callable[[str], object] | None) -> None:
        self._volume, self._failed = volume, failed
        self._lock = threading.Lock()
        name = volume.dtype.newbyteorder("=").name
        if name == "int64":
            # Labels lose nothing; an image's grey levels show as well.
            name = "uint64" if sort == "segmentation" else "float32"
        elif name == "uint64" and sort == "image":
            name = "float32"
        self.dtype = np.dtype(_SHOWN_AS.get(name, name))
        self.shape = volume.shape

    def __getitem__(self, key: tuple[slice, slice, slice], /) -> np.ndarray:
        try:
            # One after another, unless the storage likes several at once.
            if self._volume.side_by_side:
                return self._read(key)
            with self._lock:
                return self._read(key)
        except (OSError, ValueError) as error:
            line = one_line(error)
            if self._failed is not None:
                self._failed(line)
            # What is a ValueError is answered with its words; anything else ends in a traceback.
            raise ValueError(line) from None

    def transpose(self) -> np.ndarray:
        """Return all voxels ``(x, y, z)``, for surfaces."""
        return self[:, :, :].transpose()

    def _read(self, key: tuple[slice, slice, slice]) -> np.ndarray:
        z, y, x = (slice(*each.indices(size)[:2]) for each, size in zip(key, self.shape, strict=True))
        return self._volume[z, y, x].astype(self.dtype, copy=False)
