"""``mtneuro-data serve``: serve volumes as a database on this machine."""

import secrets
import sys
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter


def serve(
    channels: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    /,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    levels: int = 4,
    annotation: Annotated[tuple[str, ...], Parameter(consume_multiple=True, show_default=False)] = (),
    voxel_size_um: Annotated[
        tuple[float, float, float] | None, Parameter(name=["--voxel-size", "--voxel-size-um"])
    ] = None,
    token: str | None = None,
    writable: bool = False,
    allow_origin: Annotated[tuple[str, ...], Parameter(consume_multiple=True, show_default=False)] = (),
    faults: float = 0.0,
    fault_seed: int = 0,
) -> Iterator[str]:
    """Serve volumes as a BossDB database on this machine, until Ctrl-C.

    The intern client, its array, and any script written for BossDB work with it; so do the
    commands here, once the variables that it prints are set. Without channels, the phantom's three channels
    are served under the names of the benchmark's own.

    Example: `mtneuro-data serve lab/scan/em=volume.zarr`

    Parameters
    ----------
    channels
        What to serve: collection/experiment/channel=URI, once or more.
    host
        Address to listen on; the loopback address accepts this machine only, but all of its users.
    port
        Port to listen on; 0 takes a free one.
    levels
        Resolution levels to offer; rows and columns halve with each.
    annotation
        Channels that hold labels, which are reduced by majority; any other is what its storage states, an
        image if it states nothing.
    voxel_size_um
        Edges of a voxel of every channel, z y x, in micrometres; by default what the storage states.
    token
        Accept this token only.
    writable
        Accept uploads too, into .npy files and Zarr arrays; without --token, a random token is made.
    allow_origin
        Origins of the web pages that may read, such as https://neuroglancer-demo.appspot.com; none may write.
    faults
        Share of answers to spoil on purpose, 0 to 1, to test a client against a bad network.
    fault_seed
        Which answers to spoil.
    """
    from mtneuro_data.serving import Catalogue, Faults, VolumeServer
    from mtneuro_data.serving.zarr_view import NEUROGLANCER, neuroglancer_link
    from mtneuro_data.task import CHANNELS
    from mtneuro_data.volume import open_volume

    pairs = channels or tuple(
        f"{uri.removeprefix('bossdb://')}=phantom://{name}" for name, uri in CHANNELS.items()
    )
    volumes = {path: open_volume(uri, writable=writable) for path, uri in map(_channel, pairs)}
    annotations = tuple(path.removeprefix("bossdb://") for path in annotation)
    catalogue = Catalogue(volumes, levels=levels, annotations=annotations, voxel_size_um=voxel_size_um)
    bad = Faults(rate=faults, seed=fault_seed) if faults else None
    if writable and token is None:
        token = secrets.token_urlsafe(16)
    server = VolumeServer(
        catalogue,
        host=host,
        port=port,
        token=token,
        writable=writable,
        allow_origins=allow_origin,
        faults=bad,
    )
    at = server.address
    for path, volume in volumes.items():
        kind = catalogue.kind(path)
        if volume.kind is None and path not in annotations:
            kind += f" (if it holds labels: --annotation {path})"
        yield f"bossdb://{path}  {volume.shape}  {volume.dtype}  {volume.uri}  {kind}"
    yield f"export INTERN_PROTOCOL=http INTERN_HOST={at.host}" + (f" INTERN_TOKEN={token}" if token else "")
    if NEUROGLANCER in allow_origin and token is None:
        yield neuroglancer_link(catalogue, f"http://{at.host}")
    else:
        told = ", without a token" if token else ""
        yield f"to open the channels in Neuroglancer, serve with --allow-origin {NEUROGLANCER}{told}"
    if token is None and not server.is_local:
        sys.stderr.write(
            f"mtneuro-data: whoever reaches {at.host} may read the channels; --token restricts them\n"
        )
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.stderr.write("mtneuro-data: stopped\n")
    finally:
        server.close()


def _channel(pair: str) -> tuple[str, str]:
    path, mark, uri = pair.partition("=")
    if not mark:
        raise ValueError(f"a channel is given as collection/experiment/channel=URI, got {pair}")
    return path.removeprefix("bossdb://"), uri
