"""Reach a Dask scheduler with TLS, or say who may run code where there is none."""

import logging
import os
import ssl
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Security

log = logging.getLogger(__name__)

CA = "ca.pem"
CERTIFICATE = "cert.pem"
KEY = "key.pem"


def scheduler_security(address: str, folder: Path | None) -> "Security":
    """Return what a scheduler is reached with: certificates, where its address begins with ``tls://``.

    Without TLS a line of the log warns, once a process, that whoever reaches the port can run code.

    Parameters
    ----------
    address
        The scheduler's address.
    folder
        Holds ``ca.pem``, ``cert.pem`` and ``key.pem``. Where none is named, Dask's own configuration may name
        the files.

    Raises
    ------
    ValueError
        If there is no address, the address and the certificates do not belong together, or a file is no
        certificate or key.
    FileNotFoundError
        If a file is missing.
    PermissionError
        If others may read the key.
    """
    from distributed import Security

    security, secret = Security(), address.startswith("tls://")
    if (folder is not None or security.require_encryption) and not secret:
        wanted = "--tls needs" if folder is not None else "Dask's configuration asks for TLS, and so for"
        raise ValueError(f"{wanted} a scheduler whose address begins with tls://, got {address!r}")
    if not secret:
        _warn(address)
        return security
    if folder is not None:
        return _checked(folder)
    if security.tls_ca_file is None or security.tls_client_cert is None:
        raise ValueError(
            f"{address} needs certificates: name the folder of {CA}, {CERTIFICATE} and {KEY} with --tls"
        )
    return security


@cache
def _warn(address: str) -> None:
    """Say once who may use a scheduler."""
    log.warning(
        "the scheduler at %s has no TLS: whoever reaches that port, from this machine or the network, can "
        "run code as you; start it with TLS and give --tls FOLDER (see the README)",
        address,
    )


def unanswered(address: str) -> str:
    """Return what to say of a scheduler that does not answer.

    Examples
    --------
    >>> unanswered("tcp://10.0.0.1:8786")
    'no Dask scheduler answers at tcp://10.0.0.1:8786'
    """
    given = ", or it does not take these certificates" if address.startswith("tls://") else ""
    return f"no Dask scheduler answers at {address}{given}"


def _checked(folder: Path) -> "Security":
    """Return the certificates of a folder."""
    from distributed import Security

    ca, certificate, key = (folder / name for name in (CA, CERTIFICATE, KEY))
    for path in (ca, certificate, key):
        if not path.is_file():
            raise FileNotFoundError(
                f"--tls must be a folder that holds {CA}, {CERTIFICATE} and {KEY}, found no {path}"
            )
    if os.name == "posix" and (mode := key.stat().st_mode & 0o777) & 0o077:
        raise PermissionError(
            f"the key {key} must be its owner's alone, got mode {mode:o}: chmod 600 it; whoever has read it "
            "can run code as you until the certificates are made anew"
        )
    security = Security(
        require_encryption=True,
        tls_ca_file=str(ca),
        tls_client_cert=str(certificate),
        tls_client_key=str(key),
    )
    try:
        security.get_connection_args("client")
    except ssl.SSLError as error:
        raise ValueError(
            f"{folder} must hold a certificate and its key in PEM form: {error.reason or error}"
        ) from None
    return security
