"""Stores of chunks on S3, Google's storage, the web or the disk, and the arrays in them, through tensorstore.

tensorstore asks, in a process of its own, and repeats each request that fails; here is said what a failure
means, in the words that a database's failures have too.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np

from mtneuro_data._shared.bounds import check_memory
from mtneuro_data._shared.extras import check_extra
from mtneuro_data._shared.words import one_line
from mtneuro_data.box import Box, Corner
from mtneuro_data.sources.asking import StoreError, StoreTimeoutError, answered
from mtneuro_data.sources.attempts import ATTEMPTS, FIRST_PAUSE_S, LONGEST_PAUSE_S, Attempts
from mtneuro_data.sources.base import BoxesSource, Kind

REQUEST_S = 300.0
"""A block may take this long in all, however steadily it drips in."""

THREADS = 16
"""Blocks that are read at the same time."""

_BLOCK_BYTES = 1 << 23
"""A block is made of whole chunks, as many as this holds, or one."""

_MOST_CONTENTS = 64 << 20
"""Bytes of a description at most."""

_DRIVERS = {"http": "http", "https": "http", "gs": "gcs", "s3": "s3"}


@dataclass(slots=True)
class Store:
    """What lies at an address, or in a folder."""

    uri: str
    """The volume's own URI, for messages."""

    address: str
    """``s3://bucket/path``, ``gs://…``, ``https://…``, ``http://…``, ``file:///…`` or a path."""

    attempts: int = ATTEMPTS
    first_pause_s: float = FIRST_PAUSE_S
    deadline_s: float = REQUEST_S
    _answered: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address) if "://" in self.address else None
        if parts is not None and parts.scheme not in (*_DRIVERS, "file"):
            raise ValueError(
                f"{self.uri}: an address must be s3://, gs://, https://, http://, file:// or a path, "
                f"got {self.address}"
            )
        if parts is not None and parts.scheme != "file" and (not parts.netloc or "@" in parts.netloc):
            name = "bucket" if parts.scheme in ("s3", "gs") else "host"
            raise ValueError(f"{self.uri}: an address must be scheme://{name}/path, without a user's name")

    @property
    def host(self) -> str:
        """Host or bucket that is asked; nothing for the disk."""
        parts = urlsplit(self.address)
        if parts.scheme in ("s3", "gs"):
            return f"{parts.scheme}://{parts.netloc}"
        return parts.netloc if "://" in self.address else ""

    @property
    def cache_key(self) -> tuple[str | int, ...] | None:
        """Scheme, host and name, for a cache; ``None`` for the disk, which is read directly."""
        if not self.host:
            return None
        scheme, _, place = self.address.rstrip("/").partition("://")
        name = place.partition("?")[0].rpartition("/")[2][:80]
        # Buckets of other stores than Amazon's may have the same names.
        place += self.spec().get("endpoint", "")
        return (
            scheme,
            self.host.rpartition("/")[2],
            f"{name}-{hashlib.sha256(place.encode()).hexdigest()[:12]}",
        )

    def spec(self, path: str = "", /) -> dict[str, Any]:
        """Return what tensorstore calls the store, or a folder in it."""
        address = self.address
        if not self.host:
            folder = url2pathname(urlsplit(address).path) if "://" in address else address
            return {"driver": "file", "path": f"{Path(folder).expanduser().absolute() / path}/"}
        parts = urlsplit(address)
        place = "/".join(filter(None, (parts.path.strip("/"), path.strip("/")))) + "/"
        if parts.scheme in ("http", "https"):
            query = f"?{parts.query}" if parts.query else ""
            spec: dict[str, Any] = {
                "driver": "http",
                "base_url": f"{parts.scheme}://{parts.netloc}/{place}{query}",
            }
            token = os.environ.get("INTERN_TOKEN")
            # The database's own token, and for the database alone.
            if token and parts.netloc == os.environ.get("INTERN_HOST"):
                spec["headers"] = [f"Authorization: Token {token}"]
            return spec
        spec = {"driver": _DRIVERS[parts.scheme], "bucket": parts.netloc, "path": place}
        return spec | (_s3() if parts.scheme == "s3" else {})

    @property
    def credentials(self) -> str:
        """As whom a bucket is asked, in words."""
        if self.spec().get("aws_credentials") == {"type": "anonymous"}:
            return f"{self.host} is asked as nobody; {self._credentials()} where it is not public"
        return f"{self.host} is asked with the credentials of this machine, or as nobody"

    def context(self, *, retries: int) -> dict[str, Any]:
        """Return how often tensorstore itself repeats a request."""
        pauses = {"initial_delay": f"{self.first_pause_s * 1e3:.0f}ms", "max_delay": f"{LONGEST_PAUSE_S:g}s"}
        kinds = ("http", "gcs", "s3")
        return {f"{kind}_request_retries": {"max_retries": retries, **pauses} for kind in kinds}

    def contents(self, *names: str) -> list[bytes | None]:
        """Return the contents of some files, ``None`` for one that is not there.

        Raises
        ------
        FileNotFoundError
            If there is no such bucket.
        PermissionError, ConnectionError, TimeoutError, OSError
            If the store refuses, or gives no complete answer.
        ValueError
            If tensorstore is not installed.
        """
        check_extra("tensorstore", extra="cloud", what=self.uri)
        question = {"do": "contents", "store": self.spec() | {"context": self.context(retries=0)}}

        def request() -> list[bytes | None]:
            about, body = answered(question | {"names": names}, seconds=self.deadline_s)
            found: list[bytes | None] = []
            at = 0
            for told in about["sizes"]:
                size = told
                if isinstance(told, str):
                    # A bucket that does not list its contents says forbidden where it means absent.
                    if _status(told) != 403 or len(names) == 1:
                        raise StoreError(told)
                    size = -1
                if size > _MOST_CONTENTS:
                    raise ValueError(
                        f"{self.uri}: a description must have at most {_MOST_CONTENTS:,} bytes, got {size:,}"
                    )
                found.append(None if size < 0 else body[at : at + size].tobytes())
                at += max(0, size)
            return found

        return self.tried(request, " or ".join(names))

    def described(self, *names: str) -> list[dict[str, Any] | None]:
        """Return the JSON of some files, as `contents`.

        Raises
        ------
        ValueError
            If one is not JSON, or no object.
        """
        return [
            None if content is None else self._object(content, name)
            for name, content in zip(names, self.contents(*names), strict=True)
        ]

    def _object(self, content: bytes, name: str) -> dict[str, Any]:
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            page = content.lstrip()[:1] == b"<"
            got = "a web page" if page else f"{content[:40]!r}"
            raise ValueError(f"{self.uri}: {name} must be a JSON object, got {got}; check the address")
        return found

    def tried(self, request: Any, what: str) -> Any:
        """Return what a request returns, as often as it may be repeated."""

        def answer() -> Any:
            found = request()
            self._answered = True
            return found

        attempts = Attempts(
            final=lambda error: self._final(error, what),
            given_up=lambda error, n: self._given_up(error, what, n),
            unreached=lambda error: not self._answered and _is_connection(str(error)),
            attempts=self.attempts if self.host else 1,
            first_pause_s=self.first_pause_s,
        )
        return attempts.answer(answer, told=f"{self.uri}, {what}")

    def _final(self, error: Exception, what: str) -> Exception | None:
        if not isinstance(error, StoreError):
            return error
        text = _bare(error)
        status = _status(text)
        if status in (401, 403) or "PERMISSION_DENIED" in text:
            return PermissionError(
                f"{self.uri}: {self.host or 'the disk'} refused {what}"
                f"{f' (status {status})' if status else ''}; {self._credentials()}"
            )
        if status == 404 or (not self.host and "NOT_FOUND" in text):
            return FileNotFoundError(f"{self.uri}: {self.host} has no such volume (status 404, {what})")
        if status is not None and 300 <= status < 400:
            return OSError(
                f"{self.uri}: {self.host} must answer {what} itself, got a redirect (status {status}); "
                "name the address that it leads to"
            )
        if status is not None and status < 500 and status not in (408, 429):
            return OSError(f"{self.uri}: {self.host} refused {what} (status {status})")
        if _curl(text) in (35, 60, 77):
            return OSError(
                f"{self.uri}: the certificate of {self.host} must be one that is trusted here, got: "
                f"{_told(text)}; set SSL_CERT_FILE to the certificate of an authority that you trust, or use "
                "http:// for a server without https"
            )
        if "was ignored by server" in text:
            return OSError(
                f"{self.uri}: {self.host} must give parts of a file where they are asked for (HTTP's Range), "
                "and does not; copy the volume, or use another server"
            )
        repeated = re.search(r"All (\d+) retry attempts failed", text)
        if repeated:
            return self._given_up(error, what, int(repeated[1]) + 1)
        return None

    def _given_up(self, error: Exception, what: str, attempts: int) -> Exception:
        text = _bare(error)
        if not self.host:
            return ValueError(f"{self.uri}: {what} cannot be read: {_told(text)}")
        told = f"{self.uri}: no complete answer from {self.host} in {attempts} attempts ({what})"
        status = _status(text)
        if status is not None:
            return OSError(f"{told}; the last had status {status}")
        if isinstance(error, StoreTimeoutError) or _curl(text) == 28:
            return TimeoutError(f"{told}; the last timed out")
        if _is_connection(text):
            return ConnectionError(f"{told}; the host cannot be reached; check the network and the host")
        if _curl(text) is not None:
            return ConnectionError(f"{told}; the last was cut off: {_told(text)}")
        return OSError(f"{told}; the last could not be decoded: {_told(text)}")

    def _credentials(self) -> str:
        scheme = urlsplit(self.address).scheme
        if scheme == "s3":
            return "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to who may read it"
        if scheme == "gs":
            return "set GOOGLE_APPLICATION_CREDENTIALS to the file of an account that may read it"
        return "check the address and who may read it"

    def array(self, spec: Mapping[str, Any], /, *, path: str = "") -> "StoredArray":
        """Open an array of the store.

        Parameters
        ----------
        spec
            tensorstore's name of the format, ``driver``, and what else it must know.
        path
            Folder of the array in the store.

        Raises
        ------
        ValueError
            If it does not hold numbers, or claims more than can be.
        """
        whole = {
            **spec,
            "kvstore": self.spec(path),
            "context": self.context(retries=self.attempts - 1),
            # Whether what is kept has changed is asked once, not at each read.
            "recheck_cached_data": "open",
            "recheck_cached_metadata": "open",
        }
        question = {"do": "describe", "array": whole}

        def request() -> dict[str, Any]:
            try:
                return answered(question, seconds=self.deadline_s)[0]
            except StoreError as error:
                text = _bare(error)
                if isinstance(error, StoreTimeoutError) or _curl(text) or _status(text):
                    raise
                # What tensorstore makes of a description does not change.
                raise ValueError(f"{self.uri} cannot be read: {_told(text)}") from None

        about = self.tried(request, "its description")
        shape, dtype = tuple(about["shape"]), about["dtype"]
        if not about["number"]:
            raise ValueError(f"{self.uri}: a volume holds numbers, got the type {dtype}")
        if not about["bounded"] or 0 in shape:
            raise ValueError(f"{self.uri}: a volume must hold voxels, got the shape {shape}")
        found = StoredArray(
            store=self,
            spec=whole,
            shape=shape,
            dtype=np.dtype(dtype),
            labels=tuple(about["labels"]),
            chunk=tuple(size or extent for size, extent in zip(about["chunk"], shape, strict=True)),
        )
        if math.prod(shape) * found.dtype.itemsize >= 1 << 63:
            raise ValueError(f"{self.uri}: a volume must have less than 2^63 bytes, got the shape {shape}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array in a store, as tensorstore describes it."""

    store: Store
    spec: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    labels: tuple[str, ...]
    chunk: tuple[int, ...]
    """Entries on each axis of what is decoded at once."""


class StoredSource(BoxesSource):
    """An array in a store as a volume.

    Parameters
    ----------
    array
        The array.
    order
        Which of its axes are z, y and x; all others have one entry. Without z it is one slice.
    voxel_size_um, kind, offset, encoding
        What its description states; see `mtneuro_data.sources.base.Source`.
    """

    def __init__(
        self,
        array: StoredArray,
        order: Sequence[int],
        *,
        voxel_size_um: tuple[float, float, float] | None = None,
        kind: Kind | None = None,
        offset: Corner = (0, 0, 0),
        encoding: str | None = None,
    ) -> None:
        self._array = array
        self._order = tuple(order)
        z, y, x = self._filled(array.shape)
        self.shape = (z, y, x)
        self.dtype = array.dtype
        self.voxel_size_um = voxel_size_um
        self._kind: Kind | None = kind
        self.offset = offset
        self.encoding = encoding
        chunk_z, chunk_y, chunk_x = self._filled(array.chunk)
        self._chunk: Corner = (min(chunk_z, z), min(chunk_y, y), min(chunk_x, x))
        self.chunks = self._chunk

    @property
    def kind(self) -> Kind | None:
        """Whether the description calls it an image or an annotation."""
        return self._kind

    @property
    def parallel(self) -> int:
        """Number of calls of `fetch` to run at the same time."""
        return THREADS

    def read_boxes(
        self, boxes: Sequence[Box], /, *, out: Sequence[np.ndarray] | None = None
    ) -> list[np.ndarray]:
        """Return the voxels of several boxes, read in blocks of whole chunks by several threads."""
        if out is None:
            out = [np.empty(box.shape, self.dtype) for box in boxes]
        blocks = [
            (array, box.lower, block)
            for array, box in zip(out, boxes, strict=True)
            for block in _blocks(box, self._chunk, self.dtype.itemsize)
        ]
        self.fetch_blocks(blocks)
        return list(out)

    def fetch(self, box: Box, /) -> np.ndarray:
        """Return the voxels of a box; may be called from several threads."""
        store = self._array.store
        check_memory(
            f"a chunk of {store.uri}",
            math.prod(self._array.chunk) * self.dtype.itemsize,
            remedy="copy it with smaller chunks",
        )
        ranges = list(zip(box.lower, box.upper, strict=True))
        question = {
            "do": "read",
            "array": self._array.spec,
            "order": self._order,
            "box": ranges[3 - len(self._order) :],
        }
        what = " ".join(f"{axis} {lo}:{hi}" for axis, (lo, hi) in zip("zyx", ranges, strict=True))

        def request() -> np.ndarray:
            _, body = answered(question, seconds=store.deadline_s)
            return body.view(self.dtype).reshape(box.shape)

        return store.tried(request, what)

    def _filled(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return (1,) * (3 - len(self._order)) + tuple(sizes[axis] for axis in self._order)


def axes_of(names: Sequence[str | None] | None, shape: Sequence[int], *, uri: str) -> tuple[int, ...]:
    """Return which axes of an array are z, y and x, by their names; z may be missing.

    Raises
    ------
    ValueError
        If another axis has more than one entry, or an array without names has not two or three axes.

    Examples
    --------
    >>> axes_of(["c", "x", "y", "z"], [1, 30, 20, 10], uri="a.zarr")
    (3, 2, 1)
    """
    axes = [str(name or "").lower() for name in names or ()]
    if len(axes) != len(shape) or not any(axes):
        if len(shape) not in (2, 3):
            raise ValueError(f"{uri}: a volume has the axes (z, y, x), got the shape {tuple(shape)}")
        return tuple(range(len(shape)))
    missing = [axis for axis in "yx" if axes.count(axis) != 1]
    if missing or axes.count("z") > 1:
        raise ValueError(f"{uri}: a volume's axes must be named z, y, x, got {', '.join(axes)}")
    others = {axis: size for axis, size in zip(axes, shape, strict=True) if axis not in ("z", "y", "x")}
    if any(size > 1 for size in others.values()):
        told = ", ".join(f"{axis}: {size}" for axis, size in others.items())
        raise ValueError(f"{uri}: a volume has one channel and one time, got {told}; write one of them apart")
    return tuple(axes.index(axis) for axis in "zyx" if axis in axes)


def _s3() -> dict[str, Any]:
    """Return whose S3 it is and who asks: nobody, unless the usual variables or files name somebody."""
    given = os.environ
    named = any(
        given.get(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
    )
    files = [given.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"]
    if not named and not any(Path(name).expanduser().is_file() for name in files):
        spec: dict[str, Any] = {"aws_credentials": {"type": "anonymous"}}
    else:
        spec = {"aws_credentials": {"type": "default"}}
    endpoint = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
    if endpoint:
        region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION") or "us-east-1"
        spec |= {"endpoint": endpoint, "aws_region": region}
    return spec


def _blocks(box: Box, chunk: Corner, itemsize: int) -> list[Box]:
    """Divide a box into blocks of whole chunks; the first and the last are cut at the box."""
    block = list(chunk)
    for axis in (2, 1, 0):
        size = max(1, _BLOCK_BYTES // (math.prod(block) * itemsize))
        block[axis] *= min(size, -(-box.upper[axis] // chunk[axis]))
    edges = [
        sorted({lo, hi, *range(lo // size * size + size, hi, size)})
        for lo, hi, size in zip(box.lower, box.upper, block, strict=True)
    ]
    return [
        Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))
        for z, y, x in product(*(list(pairwise(some)) for some in edges))
    ]


def _bare(error: BaseException) -> str:
    """Return what tensorstore says, without the page that came and without its own description of itself."""
    return re.sub(
        r" \[(?:tensorstore_spec|http_response_body|source locations?)=.*", "", str(error), flags=re.DOTALL
    )


def _status(text: str) -> int | None:
    found = re.search(r"HTTP code (\d+)", text)
    return int(found[1]) if found else None


def _curl(text: str) -> int | None:
    found = re.search(r"curl_code='(\d+)'", text)
    return int(found[1]) if found else None


def _is_connection(text: str) -> bool:
    return _curl(text) in (5, 6, 7, 52, 55, 56)


def _told(text: str) -> str:
    """Return the reason alone, in one line."""
    reason = re.sub(r"^[A-Z_]+: ", "", re.sub(r" \[\w+=.*", "", text, flags=re.DOTALL))
    reason = re.sub(r"All \d+ retry attempts failed: ", "", reason)
    reason = re.sub(r'Error (?:reading|opening)(?: local file)? (?:"[^"]*"|\S+)(?: driver)?: ', "", reason)
    return one_line(ValueError(reason))
