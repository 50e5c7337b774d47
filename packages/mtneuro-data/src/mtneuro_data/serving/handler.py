"""Answer the requests of one connection that pass the gate, or fail on purpose."""

import json
import logging
import re
import socket
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, NamedTuple

import blosc
import numpy as np

from mtneuro_data._shared.words import one_line
from mtneuro_data.serving.faults import Fault, Faults
from mtneuro_data.serving.gate import Cutout, RefusalError, Request, admitted, may_read
from mtneuro_data.serving.service import Service
from mtneuro_data.serving.zarr_view import zarr_file

if TYPE_CHECKING:
    from mtneuro_data.serving.connections import BoundedServer

logger = logging.getLogger(__name__)

READ_S = 20.0
"""Time-out of each read and of each written piece."""

BODY_S = 60.0
LEAST_BYTES_PER_S = 1 << 16
"""A body has this time in all, and as long besides as it takes at this speed."""

_PIECE = 1 << 20
_SLOW_PIECE = 1 << 16
_LARGEST_DISCARDED = 1 << 20


class _Answer(NamedTuple):
    """What is sent: a status and a body."""

    body: bytes
    kind: str = "application/json"
    status: int = 200
    voxels: np.ndarray | None = None
    """What is packed in the body, if it is a cutout."""


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests as the database does."""

    protocol_version = "HTTP/1.1"
    server_version = "mtneuro-data"
    sys_version = ""
    timeout = READ_S
    # Header and body are sent in two writes; without this each answer waits some 40 ms for the client's
    # delayed acknowledgement.
    disable_nagle_algorithm = True
    server: "BoundedServer"  # pyright: ignore[reportIncompatibleVariableOverride] - of no other

    def __init__(self, service: Service, *connection: Any) -> None:
        self.service = service
        super().__init__(*connection)  # answers before it returns

    def handle_one_request(self) -> None:
        """Wait for a request, for as long as a connection may be idle, and answer it."""
        self.server.wait_for_request(self.connection)
        super().handle_one_request()

    def handle_expect_100(self) -> bool:
        """Leave it to the gate whether a client that waits before its body shall go on."""
        return True

    def _answer_request(self) -> None:
        service = self.service
        if service.requests is not None:
            service.requests.append(self.path)
        try:
            request = admitted(service, self.command, self.path, self.headers)
        except RefusalError as refusal:
            self._refuse(refusal)
            return
        if request.preflight:
            self._send_head(204, 0, "text/plain")
            return
        body = self._read_body(request.body_bytes)
        self.server.work(self.connection)
        time.sleep(service.latency_s)
        try:
            answer = self._answer(request, body)
        except RefusalError as refusal:
            answer = _refused(refusal)
        except Exception as error:
            logger.exception("%s", self.path)
            answer = _refused(RefusalError(500, 9001, f"{type(error).__name__}: {error}"))
        self._send(answer)

    # The base class looks for a method by the name of the request's; the gate refuses those not allowed.
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer_request  # noqa: N815

    def _refuse(self, refusal: RefusalError) -> None:
        """Answer a request that did not pass; its body, if any, is dropped with the connection."""
        if any(name in self.headers for name in ("Content-Length", "Transfer-Encoding")):
            self.close_connection = True
        self._send(_refused(refusal))
        length = self.headers.get("Content-Length", "")
        # Clients that send all before they read would else see a broken connection, not the answer.
        if re.fullmatch(r"[0-9]{1,18}", length) and "Expect" not in self.headers:
            self.rfile.read(min(int(length), _LARGEST_DISCARDED))

    def _read_body(self, n_bytes: int | None) -> bytes:
        if n_bytes is None:
            return b""
        self.server.transfer(self.connection, _seconds(n_bytes))
        if "Expect" in self.headers:
            self.send_response_only(100)
            self.end_headers()
        body = self.rfile.read(n_bytes)
        if len(body) < n_bytes:
            raise ConnectionResetError(f"the body ended after {len(body)} of {n_bytes} bytes")
        return body

    def _answer(self, request: Request, body: bytes) -> _Answer:
        parts, cutout, catalogue = request.parts, request.cutout, self.service.catalogue
        if parts[0] == "zarr":
            content = zarr_file(catalogue, parts[1:])
            if content is None:
                raise RefusalError(404, 4000, f"there is nothing at /{'/'.join(parts)}")
            return _Answer(
                content, "application/json" if parts[-1] == "zarr.json" else "application/octet-stream"
            )
        if cutout is None:
            about = catalogue.description(parts[1:])
            if about is None:
                raise RefusalError(404, 4000, f"{'/'.join(parts[1:])} does not exist")
            return _Answer(json.dumps(about).encode())
        if request.body_bytes is not None:
            return self._written(cutout, body)
        voxels = catalogue.cutout(*cutout)
        if parts[1] == "ids":
            return _Answer(json.dumps({"ids": [str(value) for value in np.unique(voxels) if value]}).encode())
        if request.only is not None:
            wanted = np.isin(voxels, np.array(request.only, np.uint64))
            voxels = np.where(wanted, voxels, 0).astype(voxels.dtype)
        return _Answer(_packed(voxels), "application/blosc", voxels=voxels)

    def _written(self, cutout: Cutout, body: bytes) -> _Answer:
        path, _, box = cutout
        voxels = _unpacked(body, box.shape, self.service.catalogue.datatype(path))
        try:
            self.service.catalogue.write(path, box, voxels)
        except (OSError, ValueError) as error:
            raise RefusalError(400, 1000, one_line(error)) from error
        return _Answer(b"", "text/plain", status=201)

    def _send(self, answer: _Answer) -> None:
        if answer.voxels is None:
            self._send_body(answer)
            return
        faults = self.service.faults
        fault = None if faults is None else faults.next(self.path)
        if faults is None or fault is None:
            self._send_body(answer, bytes_per_s=self.service.bytes_per_s)
        else:
            self._fail(faults, fault, answer.voxels, answer)

    def _fail(self, faults: Faults, fault: Fault, voxels: np.ndarray, answer: _Answer) -> None:
        body = answer.body
        if fault.isdecimal():
            self._send_body(_refused(RefusalError(int(fault), 9001, "simulated fault")))
        elif fault == "wrong_size":
            self._send_body(answer._replace(body=_packed(voxels.ravel()[: voxels.size // 2 + 1])))
        elif fault == "garbage":
            self._send_body(answer._replace(body=b"these are no voxels"))
        elif fault == "flip":
            # A voxel is changed before compression, so that the body remains valid; a different voxel each
            # time, as in a real network.
            wrong = voxels.copy()
            wrong.reshape(-1)[7919 * faults.times(self.path) % wrong.size] ^= 1
            self._send_body(answer._replace(body=_packed(wrong)))
        elif fault == "drip":
            self._send_head(200, len(body), answer.kind)
            step = max(1, len(body) // 8)
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                time.sleep(faults.stall_s / 16)
        else:
            self._cut_off(fault, answer, faults.stall_s)

    def _cut_off(self, fault: Fault, answer: _Answer, pause: float) -> None:
        self.close_connection = True
        if fault != "reset":
            self._send_head(200, len(answer.body), answer.kind)
            self.wfile.write(answer.body[: len(answer.body) // 2])
            if fault == "stall":
                time.sleep(pause)
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send_body(self, answer: _Answer, *, bytes_per_s: float | None = None) -> None:
        body = memoryview(answer.body)
        self.server.transfer(self.connection, _seconds(len(body), bytes_per_s))
        self._send_head(answer.status, len(body), answer.kind)
        if self.command == "HEAD":
            return
        # In pieces, because the time-out of a write is one for all that it is given.
        step = _PIECE if bytes_per_s is None else _SLOW_PIECE
        for at in range(0, len(body), step):
            start = time.perf_counter()
            piece = body[at : at + step]
            self.wfile.write(piece)
            if bytes_per_s is not None:
                time.sleep(max(0.0, len(piece) / bytes_per_s - (time.perf_counter() - start)))

    def _send_head(self, status: int, length: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        if status == 405:
            self.send_header("Allow", "GET, POST")
        if self.close_connection:
            self.send_header("Connection", "close")
        origin = may_read(self.service, self.headers)
        if origin is not None:
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Methods", "GET")
            self.send_header("Access-Control-Allow-Headers", "Authorization, Range")
            self.send_header("Vary", "Origin")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log instead of printing."""
        logger.debug(format, *args)


def _seconds(n_bytes: int, bytes_per_s: float | None = None) -> float:
    """Return how long a body may take in all."""
    return BODY_S + n_bytes / min(LEAST_BYTES_PER_S, bytes_per_s or LEAST_BYTES_PER_S)


def _refused(refusal: RefusalError) -> _Answer:
    about = {"status": refusal.status, "code": refusal.code, "message": str(refusal)}
    return _Answer(json.dumps(about).encode(), status=refusal.status)


def _packed(voxels: np.ndarray) -> bytes:
    return blosc.compress(voxels.tobytes(), typesize=voxels.itemsize)


def _unpacked(body: bytes, shape: tuple[int, int, int], datatype: str) -> np.ndarray:
    """Return the voxels of an upload; what it unpacks to is known from its header, before it is unpacked."""
    n_bytes = int(np.prod(shape)) * np.dtype(datatype).itemsize
    try:
        if not blosc.cbuffer_validate(body) or blosc.get_cbuffer_sizes(body)[0] != n_bytes:
            raise ValueError("it is not valid, or of another size")
        return np.frombuffer(blosc.decompress(body), datatype).reshape(shape)
    except Exception as error:
        # blosc's own error derives from Exception directly.
        raise RefusalError(400, 1000, f"the body is not a compressed cutout of the shape {shape}") from error
