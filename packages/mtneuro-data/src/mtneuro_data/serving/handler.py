"""Parse, check and answer one request, or simulate a fault."""

import json
import logging
import re
import socket
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import blosc
import numpy as np

from mtneuro_data.box import Box
from mtneuro_data.serving.faults import Fault, Faults
from mtneuro_data.serving.service import Service
from mtneuro_data.serving.zarr_view import zarr_file

logger = logging.getLogger(__name__)

_BOX = re.compile(
    r"(?P<path>[^/]+/[^/]+/[^/]+)/(?P<level>\d{1,2})"
    r"/(?P<x>-?\d+:-?\d+)/(?P<y>-?\d+:-?\d+)/(?P<z>-?\d+:-?\d+)(?:/(?P<t>\d+:\d+))?/?"
)
_LARGEST_ANSWER = 520 << 20


class _RefusalError(Exception):
    """A refused request, with its HTTP status and the database's own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Cutout(NamedTuple):
    path: str
    level: int
    box: Box


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests as the database does."""

    protocol_version = "HTTP/1.1"
    # Header and body are sent in two writes; without this each answer waits some 40 ms for the client's
    # delayed acknowledgement.
    disable_nagle_algorithm = True

    def __init__(self, service: Service, *connection: Any) -> None:
        self.service = service
        super().__init__(*connection)  # answers before it returns

    def do_GET(self) -> None:
        """Answer a request to read."""
        self._answer(self._read)

    def do_POST(self) -> None:
        """Answer an upload."""
        self._answer(self._write)

    def do_OPTIONS(self) -> None:
        """Allow requests from web pages, such as viewers."""
        self._send(204, b"", "text/plain")

    def _answer(self, answer: Any) -> None:
        if self.service.requests is not None:
            self.service.requests.append(self.path)
        time.sleep(self.service.latency_s)
        try:
            answer()
        except _RefusalError as refusal:
            self._refuse(refusal)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        except Exception as error:
            logger.exception("%s", self.path)
            self._refuse(_RefusalError(500, 9001, f"{type(error).__name__}: {error}"))

    def _refuse(self, refusal: _RefusalError) -> None:
        about = {"status": refusal.status, "code": refusal.code, "message": str(refusal)}
        self._send_json(about, status=refusal.status)

    def _read(self) -> None:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[0] == "zarr":
            return self._send_zarr_file(tuple(parts[1:]))
        self._check_token()
        if parts[0] != "v1" or len(parts) < 2:
            raise _RefusalError(404, 4000, f"there is nothing at {url.path}")
        if parts[1] in ("cutout", "ids"):
            cutout = self._parsed("/".join(parts[2:]), url.path)
            if parts[1] == "ids":
                return self._send_ids(cutout)
            return self._send_cutout(cutout, parse_qs(url.query))
        about = self.service.catalogue.description(tuple(parts[1:]))
        if about is None:
            raise _RefusalError(404, 4000, f"{'/'.join(parts[1:])} does not exist")
        return self._send_json(about)

    def _check_token(self) -> None:
        token = self.service.token
        if token is not None and self.headers.get("Authorization") != f"Token {token}":
            raise _RefusalError(401, 3000, "Invalid token.")

    def _parsed(self, text: str, path: str) -> _Cutout:
        match = _BOX.fullmatch(text)
        if match is None:
            raise _RefusalError(
                400, 1000, f"a cutout is asked for as C/E/CH/level/x0:x1/y0:y1/z0:z1, got {path}"
            )
        catalogue = self.service.catalogue
        channel, level = match["path"], int(match["level"])
        if channel not in catalogue.volumes:
            raise _RefusalError(404, 4000, f"the channel {channel} does not exist")
        if level >= catalogue.levels:
            raise _RefusalError(400, 1000, f"resolution must lie within [0, {catalogue.levels}), got {level}")
        if match["t"] not in (None, "0:1"):
            raise _RefusalError(400, 1001, f"time must be 0:1, got {match['t']}")
        bounds = [[int(part) for part in match[axis].split(":")] for axis in "zyx"]
        lower, upper = zip(*bounds, strict=True)
        try:
            box = Box.inside(lower, upper, catalogue.shape(channel, level), what=channel)
        except IndexError as error:
            raise _RefusalError(400, 1001, str(error)) from error
        return _Cutout(channel, level, box)

    def _voxels(self, cutout: _Cutout) -> np.ndarray:
        catalogue = self.service.catalogue
        n_bytes = cutout.box.size * np.dtype(catalogue.datatype(cutout.path)).itemsize
        if n_bytes > _LARGEST_ANSWER:
            raise _RefusalError(413, 2000, f"a cutout must be at most {_LARGEST_ANSWER} bytes, got {n_bytes}")
        return catalogue.cutout(*cutout)

    def _send_cutout(self, cutout: _Cutout, query: dict[str, list[str]]) -> None:
        voxels = self._voxels(cutout)
        if "filter" in query:
            wanted = [int(part) for part in query["filter"][0].split(",") if part.isdecimal()]
            voxels = np.where(np.isin(voxels, wanted), voxels, 0).astype(voxels.dtype)
        body = _packed(voxels)
        faults = self.service.faults
        fault = None if faults is None else faults.next(self.path)
        if faults is None or fault is None:
            self._send(200, body, "application/blosc", slowly=True)
        else:
            self._fail(faults, fault, voxels, body)

    def _send_ids(self, cutout: _Cutout) -> None:
        present = np.unique(self._voxels(cutout))
        ids = [str(value) for value in present if value]
        self._send_json({"ids": ids})

    def _send_zarr_file(self, parts: tuple[str, ...]) -> None:
        content = zarr_file(self.service.catalogue, parts)
        if content is None:
            raise _RefusalError(404, 4000, f"there is nothing at /zarr/{'/'.join(parts)}")
        kind = "application/json" if parts[-1] == "zarr.json" else "application/octet-stream"
        self._send(200, content, kind)

    def _write(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._check_token()
        if not self.service.writable:
            raise _RefusalError(403, 3001, "this server is read-only")
        url = urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if parts[:2] != ["v1", "cutout"]:
            raise _RefusalError(403, 3001, "only cutouts can be written here")
        path, level, box = self._parsed("/".join(parts[2:]), url.path)
        if level:
            raise _RefusalError(400, 1000, f"cutouts are written at resolution 0, got {level}")
        try:
            raw = blosc.decompress(body)
            voxels = np.frombuffer(raw, self.service.catalogue.datatype(path)).reshape(box.shape)
        except Exception as error:
            # blosc's own error derives from Exception directly.
            raise _RefusalError(
                400, 1000, f"the body is not a compressed cutout of the shape {box.shape}"
            ) from error
        try:
            self.service.catalogue.write(path, box, voxels)
        except (OSError, ValueError) as error:
            raise _RefusalError(400, 1000, str(error)) from error
        self._send(201, b"", "text/plain")

    def _fail(self, faults: Faults, fault: Fault, voxels: np.ndarray, body: bytes) -> None:
        kind = "application/blosc"
        if fault.isdecimal():
            raise _RefusalError(int(fault), 9001, "simulated fault")
        if fault == "wrong_size":
            self._send(200, _packed(voxels.ravel()[: voxels.size // 2 + 1]), kind)
        elif fault == "garbage":
            self._send(200, b"these are no voxels", kind)
        elif fault == "flip":
            # A voxel is changed before compression, so that the body remains valid; a different voxel each
            # time, as in a real network.
            wrong = voxels.copy()
            wrong.reshape(-1)[7919 * faults.times(self.path) % wrong.size] ^= 1
            self._send(200, _packed(wrong), kind)
        elif fault == "drip":
            self._send_head(200, len(body), kind)
            step = max(1, len(body) // 8)
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                time.sleep(faults.stall_s / 16)
        else:
            self._cut_off(fault, body, faults.stall_s)

    def _cut_off(self, fault: Fault, body: bytes, pause: float) -> None:
        self.close_connection = True
        if fault != "reset":
            self._send_head(200, len(body), "application/blosc")
            self.wfile.write(body[: len(body) // 2])
            if fault == "stall":
                time.sleep(pause)
        self.connection.shutdown(socket.SHUT_RDWR)

    def _send_head(self, status: int, length: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        self.end_headers()

    def _send_json(self, about: dict[str, Any], *, status: int = 200) -> None:
        self._send(status, json.dumps(about).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, *, slowly: bool = False) -> None:
        speed = self.service.bytes_per_s if slowly else None
        self._send_head(status, len(body), kind)
        if speed is None:
            self.wfile.write(body)
            return
        step = 1 << 16
        for at in range(0, len(body), step):
            start = time.perf_counter()
            piece = body[at : at + step]
            self.wfile.write(piece)
            time.sleep(max(0.0, len(piece) / speed - (time.perf_counter() - start)))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log instead of printing."""
        logger.debug(format, *args)


def _packed(voxels: np.ndarray) -> bytes:
    return blosc.compress(voxels.tobytes(), typesize=voxels.itemsize)
