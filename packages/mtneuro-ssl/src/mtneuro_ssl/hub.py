"""Ask at once whether the Hugging Face hub gives a file, since its library tries for half a minute."""

import os
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from mtneuro_ssl._shared.words import one_line

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
"""What the id of a repository on the Hugging Face hub looks like."""

_MODEL = ("config.json", "model.safetensors")
"""Files of a model folder."""

_SECONDS = 2.0
"""Time that the hub may take to answer, unless its library's own variable ``HF_HUB_ETAG_TIMEOUT`` is set."""


def is_repository(name: str) -> bool:
    """Return whether a name has the form of a repository's id.

    Examples
    --------
    >>> is_repository("owner/name"), is_repository("owner"), is_repository("owner/a name")
    (True, False, False)
    """
    return bool(_REPOSITORY.fullmatch(name))


def is_kept(repository: str, files: Sequence[str], *, revision: str | None = None) -> bool:
    """Return whether one of these files of a repository, ``owner/name``, is in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(repository, name, revision=revision), str) for name in files)


def refusal(repository: str, file: str, *, revision: str | None = None) -> str:
    """Return in words why the hub does not give a file of a repository, or an empty text where it may.

    It is asked once, with a time limit. What the hub says of a repository that it has is left to a download.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, and the hub's cache lacks it"

    def ask() -> None:
        get_hf_file_metadata(hf_hub_url(repository, file, revision=revision), timeout=_limit())

    error = _error_of(ask)
    if isinstance(error, RepositoryNotFoundError):
        return f"the hub has no repository {repository!r} that you may read"
    if error is None or isinstance(error, HfHubHTTPError):
        return ""
    return f"the hub does not answer ({_told(error)})"


def address_refusal(address: str) -> str:
    """Return in words why a file at an address cannot be fetched, or an empty text where it may."""
    if not address.startswith(("http://", "https://")):
        return f"{address!r} is no address of a file"

    def ask() -> None:
        try:
            urlopen(Request(address, method="HEAD"), timeout=_limit()).close()  # noqa: S310  # checked above
        except HTTPError as error:
            error.close()

    error = _error_of(ask)
    return "" if error is None else f"no answer ({_told(error)})"


def fetched_folder(repository: str) -> Path:
    """Return where a model folder is kept, once fetched from a repository on the Hugging Face hub.

    Nothing in it is executed. Later calls need no network unless the repository has changed.

    Parameters
    ----------
    repository
        Id of the repository, ``owner/name``.

    Raises
    ------
    ValueError
        If the id is of another form.
    FileNotFoundError
        If there is no such repository, or it is neither kept nor given at once.
    """
    if not is_repository(repository):
        raise ValueError(f"a repository's id must be of the form owner/name, got {repository!r}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    told = refusal(repository, _MODEL[0])
    try:
        if told and not is_kept(repository, _MODEL[:1]):
            raise FileNotFoundError(told)
        return Path(snapshot_download(repository, allow_patterns=[*_MODEL], local_files_only=bool(told)))
    except (HfHubHTTPError, OSError) as error:
        raise FileNotFoundError(
            f"{repository} must be a model folder, or a repository of one that can be fetched: "
            f"{one_line(error)}"
        ) from error


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}".rstrip(": ")


def _limit() -> float:
    try:
        return float(os.environ["HF_HUB_ETAG_TIMEOUT"])
    except (KeyError, ValueError):
        return _SECONDS


def _error_of(ask: Callable[[], None]) -> Exception | None:
    """Return the error that a question to the network ends in, or that it takes too long.

    In a thread, since a name that no server resolves holds a process for long.
    """
    found: list[Exception | None] = []

    def asked() -> None:
        try:
            ask()
        except Exception as error:  # which classes it raises differs with the library's version
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    thread.join(_limit())
    return (
        found[0]
        if found
        else TimeoutError(f"no answer within {_limit():g} s, and HF_HUB_ETAG_TIMEOUT sets more")
    )
