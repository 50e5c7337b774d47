"""Answers of a database: their size, their form, and the errors to raise for what is wrong with them."""

import math
import os
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError

from mtneuro_data._shared.words import one_line

_MOST_BESIDES = 16 << 20
"""Bytes of an answer beyond the voxels that are asked for: of a description, or of an error's page."""

_MOST_ITEM = 8
"""Bytes of a voxel at most."""

_PIECE, _PACKED_PIECE = 4 << 20, 1 << 16
"""Bytes of a body that are read at once. By default a body is put together from pieces of 10 KB, which costs
more time than its transfer; one with a content encoding may unpack to a thousand times a piece."""

_HEAD = 16
"""Bytes in front of what Blosc has packed; those from 4 to 8 are the size that it unpacks to."""

Answer = TypeVar("Answer", bound=BaseModel)
Size = Annotated[float, Field(ge=0, lt=math.inf)]
"""Edge of a voxel; 0 where nobody knows it."""


class Channel(BaseModel):
    """A channel: the type of its voxels."""

    datatype: Literal["uint8", "uint16", "uint32", "uint64"]


class Frame(BaseModel):
    """A coordinate frame: where a volume begins and ends, and how large its voxels are."""

    x_start: int
    x_stop: int
    y_start: int
    y_stop: int
    z_start: int
    z_stop: int
    x_voxel_size: Size
    y_voxel_size: Size
    z_voxel_size: Size
    voxel_unit: str


class Experiment(BaseModel):
    """An experiment: its frame and its levels of resolution."""

    coord_frame: str
    num_hierarchy_levels: int
    hierarchy_method: str


def described(form: type[Answer], answer: object, /, *, host: str, what: str) -> Answer:
    """Return a description in the form that it must have.

    Raises
    ------
    ValueError
        If it has another; the message names the host and what was asked.
    """
    try:
        return form.model_validate(answer)
    except ValidationError as error:
        raise ValueError(_other_form(host, what, one_line(error))) from None


class OversizedError(Exception):
    """A body that is larger than what was asked for can be."""


def bounded_body(response: Any, /) -> Iterator[bytes]:
    """Yield the pieces of a body, and no more than what was asked for can take.

    Raises
    ------
    OversizedError
        If the body is larger.
    ValueError
        If it is voxels that say to unpack to more than the box has; another answer may be whole.
    """
    try:
        yield from _measured(response)
    except BaseException:
        # The rest is not read, so the connection cannot be used again.
        response.close()
        raise


def _measured(response: Any) -> Iterator[bytes]:
    ranges = re.findall(r"/(\d+):(\d+)(?=/)", f"{urlsplit(response.url).path}/")
    asked = math.prod(max(0, int(hi) - int(lo)) for lo, hi in ranges) * _MOST_ITEM if ranges else 0
    most = asked + _MOST_BESIDES
    packing = response.headers.get("Content-Encoding", "identity").lower()
    if packing not in ("identity", "gzip", "deflate"):
        raise OversizedError(f"packed by {packing}, which unpacks to any size")
    done = 0
    for piece in response.iter_content(_PIECE if packing == "identity" else _PACKED_PIECE):
        if asked and not done and response.status_code == 200 and len(piece) >= _HEAD:
            says = int.from_bytes(piece[4:8], "little")
            if says > asked:
                raise ValueError(f"it says to unpack to {says:,} bytes, and the box has at most {asked:,}")
        done += len(piece)
        if done > most:
            raise OversizedError(f"more than {most:,} bytes")
        yield piece


def final_error(error: Exception, *, source: str, address: str, what: str) -> Exception | None:
    """Return the error to raise at once, or ``None`` if another attempt may succeed.

    Parameters
    ----------
    error
        What the client raised.
    source
        The channel that was asked for.
    address
        Protocol and host of the database.
    what
        What of the channel was asked for.
    """
    import requests
    from blosc.blosc_extension import error as BloscError  # noqa: N812 - a class, in C

    host = urlsplit(address).netloc
    known = requests.exceptions
    temporary = (known.Timeout, known.ConnectionError, known.ChunkedEncodingError, known.ContentDecodingError)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return _final_status(error, source=source, host=host, what=what)
    text = one_line(error)
    if isinstance(error, known.SSLError):
        told = _insecure(text, host)
    elif "TLS CA certificate bundle" in text or "TLS certificate file" in text:
        told = f"{_name_of_bundle()} must name a file of certificates that is there, got: {text}"
    elif isinstance(error, known.InvalidProxyURL) or (
        isinstance(error, (known.InvalidURL, known.InvalidSchema)) and _proxy(address)
    ):
        told = f"{_told_proxy(address)} must be http://host:port, got: {text}; correct or unset it"
    elif isinstance(error, known.ProxyError) and "Tunnel connection failed: 4" in text:
        told = f"{_told_proxy(address)} must let this program pass, got: {_reason(text)}"
    elif isinstance(error, known.JSONDecodeError):
        if not error.doc.lstrip().startswith("<"):
            return None
        told = (
            f"{host} must answer with a description ({what}), got a web page; check the "
            "variable INTERN_HOST, and whether the network asks you to log in"
        )
    elif isinstance(error, OversizedError):
        told = f"{host} must answer {what} with no more than is asked for, got {text}"
    elif isinstance(error, temporary):
        return None
    elif isinstance(error, requests.RequestException):
        told = f"{host} cannot be asked for {what}: {text}"
    elif isinstance(error, (ValueError, BloscError)):
        return None
    elif isinstance(error, (TypeError, KeyError, AttributeError)):
        return ValueError(f"{source}: {_other_form(host, what, text)}")
    else:
        return error
    return None if told is None else OSError(f"{source}: {told}")


def given_up(error: Exception, *, source: str, address: str, what: str, attempts: int) -> OSError:
    """Return the error to raise after the last attempt; the parameters are those of `final_error`."""
    import requests

    text = f"{source}: no complete answer from {urlsplit(address).netloc} in {attempts} attempts ({what})"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return OSError(f"{text}; the last had status {error.response.status_code}")
    if isinstance(error, requests.Timeout):
        return TimeoutError(f"{text}; the last timed out")
    if isinstance(error, requests.exceptions.ProxyError):
        return ConnectionError(f"{text}; {_told_proxy(address)} cannot be reached; correct or unset it")
    if isinstance(error, requests.exceptions.SSLError):
        return ConnectionError(f"{text}; the secure connection broke: {_reason(one_line(error))}")
    if isinstance(error, requests.ConnectionError):
        return ConnectionError(
            f"{text}; the host cannot be reached; check the network and the variable INTERN_HOST"
        )
    return OSError(f"{text}; the last could not be decoded: {one_line(error)}")


def _final_status(error: Any, *, source: str, host: str, what: str) -> OSError | None:
    status = error.response.status_code
    if status in (408, 429) or status >= 500:
        return None
    if status in (401, 403):
        return PermissionError(
            f"{source}: {host} refused the token (status {status}); set INTERN_TOKEN to one that may read it"
        )
    if status == 404:
        return FileNotFoundError(f"{source}: {host} has no such channel (status 404, {what})")
    return OSError(f"{source}: {host} refused {what} (status {status}): {_message(error)}")


def _message(error: Any) -> str:
    try:
        return str(error.response.json()["message"])
    except (ValueError, KeyError, TypeError):
        return " ".join(str(error.response.text)[:200].split())


def _other_form(host: str, what: str, reason: str) -> str:
    return f"{host} must answer with {what} as a BossDB does, got: {reason}; check the variable INTERN_HOST"


def _insecure(text: str, host: str) -> str | None:
    """Return why a connection cannot be secure, or ``None`` if it was only interrupted."""
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text:
        return f"{host} must speak https, got another protocol; correct its port, or set INTERN_PROTOCOL=http"
    refused = re.search(r"certificate verify failed: (.+?) \(_ssl", text)
    if refused:
        return (
            f"the certificate of {host} must be one that is trusted here, got: {refused[1]}; if an "
            "authority of your institution signs, set REQUESTS_CA_BUNDLE to the file of its certificate"
        )
    if "NO_CERTIFICATE_OR_CRL_FOUND" in text or "PEM" in text:
        return f"{_name_of_bundle()} must name a file of certificates, got: {_reason(text)}"
    return None


def _name_of_bundle() -> str:
    return next(
        (name for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE") if os.environ.get(name)),
        "REQUESTS_CA_BUNDLE",
    )


def _reason(text: str) -> str:
    """Return the innermost reason of urllib3's nested messages."""
    return text.rpartition("(Caused by ")[2].removesuffix(")") if "(Caused by " in text else text


def _proxy(address: str) -> tuple[str, str] | None:
    """Return the variable that names the proxy to an address, and the proxy."""
    from requests.utils import get_environ_proxies, select_proxy

    chosen = select_proxy(address, get_environ_proxies(address))
    if not chosen:
        return None
    names = [f"{urlsplit(address).scheme}_proxy", "all_proxy"]
    known = [name for each in names for name in (each, each.upper()) if os.environ.get(name) == chosen]
    return (known[0] if known else "the system's settings"), chosen


def _told_proxy(address: str) -> str:
    """Return a proxy in words, without the password that it may hold."""
    name, proxy = _proxy(address) or ("the system's settings", "")
    return f"the proxy {re.sub(r'//[^/@]*@', '//…@', proxy)!r} of {name}"
