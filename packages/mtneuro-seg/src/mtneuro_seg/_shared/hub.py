"""Model folders in repositories of the Hugging Face hub, fetched and pinned; nothing in them is executed."""

import hashlib
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .model_folder import CONFIG, HEADS, HISTORY, WEIGHTS
from .released import released_models
from .words import one_line, unknown_name

_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""What the id of a repository looks like."""

_PLACE = re.compile(
    rf"(?P<repository>{_REPOSITORY.pattern})(@(?P<revision>[^\s#@]+))?(#(?P<digest>[0-9a-f]{{64}}))?"
)

_COMMIT = re.compile(r"[0-9a-f]{40}")

_NEEDED = (CONFIG, WEIGHTS)
_FETCHED = (*_NEEDED, HISTORY, HEADS)
"""The only files of a repository that are ever fetched."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_SECONDS = 2.0
"""Time that the hub may take to answer, unless its library's own variable ``HF_HUB_ETAG_TIMEOUT`` is set."""

FORM = "owner/name, owner/name@REVISION or owner/name@REVISION#DIGEST"
"""How a model on the hub is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a model is on the hub.

    Examples
    --------
    >>> str(Place(repository="owner/name", revision="v1"))
    'owner/name@v1'
    """

    repository: str
    """Id of the repository, ``owner/name``."""

    revision: str | None = None
    """Branch, tag or commit; by default the newest commit of the branch ``main``."""

    digest: str | None = None
    """What `folder_digest` must be."""

    def __str__(self) -> str:
        """Return the name that `parsed_place` reads."""
        revision = "" if self.revision is None else f"@{self.revision}"
        return f"{self.repository}{revision}{'' if self.digest is None else f'#{self.digest}'}"


def parsed_place(name: str) -> Place | None:
    """Return the place that a name stands for, or nothing where it has another form.

    Examples
    --------
    >>> parsed_place("owner/name@v1")
    Place(repository='owner/name', revision='v1', digest=None)
    >>> parsed_place("models/owner/name") is None
    True
    """
    found = _PLACE.fullmatch(name)
    return None if found is None else Place(**found.groupdict())


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
    return any(_kept_file(repository, name, revision) is not None for name in files)


def refusal(repository: str, *, revision: str | None = None) -> str:
    """Return in words why the hub does not give a repository, or an empty text where it may.

    It is asked once, with a time limit.
    """
    found = _asked(Place(repository=repository, revision=revision))
    return found if isinstance(found, str) else ""


def folder_digest(folder: Path) -> str:
    """Return the digest that pins a model: of its weights and of what its ``config.json`` says.

    It is what ``sha256sum config.json model.safetensors | sha256sum`` prints in the folder.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    """
    lines = ""
    for name in _NEEDED:
        with (folder / name).open("rb") as file:
            lines += f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n"
    return hashlib.sha256(lines.encode()).hexdigest()


def found_folder(source: Path | str) -> Path:
    """Return the folder of a model: the one that is named, one of the package, or one fetched from the hub.

    Parameters
    ----------
    source
        A folder; or, where there is none of that name, the name of a model that comes with the package, or
        a repository of one, ``owner/name``, with a revision (``owner/name@v1``) and a digest
        (``owner/name@v1#…``) if it is to be pinned.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, name or repository, or it cannot be fetched.
    ValueError
        If the repository holds no model, or one of another digest; or a file of the package has been changed.
    """
    folder = Path(source)
    # Windows writes a path with its own separator.
    name = source if isinstance(source, str) else folder.as_posix()
    if folder.exists():
        return folder
    if name in released_models():
        return _unchanged(name)
    if parsed_place(name) is not None:
        return fetched_folder(name)
    if folder.name == name and released_models():
        raise FileNotFoundError(
            unknown_name(
                "a model that is neither a folder nor a repository, owner/name,", name, released_models()
            )
        )
    return folder


def _unchanged(name: str) -> Path:
    """Return the folder of one of the package's models."""
    model = released_models()[name]
    if (found := folder_digest(model.folder)) != model.digest:
        raise ValueError(
            f"{name} in {model.folder} must have the digest {model.digest}, got {found}: its files have been "
            "changed; install the package again"
        )
    return model.folder


def fetched_folder(name: str) -> Path:
    """Return where a model's folder is kept, once fetched from a repository on the Hugging Face hub.

    Nothing in it is executed, and no other file of the repository is fetched. What is kept of a commit needs
    no network; of a branch or a tag, the hub is asked what it stands for, and where it does not answer, what
    is kept is taken.

    Parameters
    ----------
    name
        ``owner/name``, ``owner/name@REVISION`` or ``owner/name@REVISION#DIGEST``: a branch, a tag or a
        commit, and the digest of `folder_digest`.

    Raises
    ------
    ValueError
        If the name is of another form, or the repository holds no model, or one of another digest.
    FileNotFoundError
        If there is no such repository or revision, or it is neither kept nor given at once.
    """
    place = parsed_place(name)
    if place is None:
        raise ValueError(f"a repository's id must be of the form {FORM}, got {name!r}")
    folder = _fetched(place)
    if place.digest is not None:
        found = folder_digest(folder)
        if found != place.digest:
            raise ValueError(
                f"{place.repository} must hold a model of digest {place.digest}, got {found}: it is another "
                "one than you pinned; name its commit too (owner/name@COMMIT), or leave out the digest"
            )
    return folder


def _fetched(place: Place) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(
                *given, **options | {"disable": options.get("disable") or not sys.stderr.isatty()}
            )

    kept = _kept_folder(place)
    if kept is not None and place.revision is not None and _COMMIT.fullmatch(place.revision):
        return kept
    found = _asked(place)
    if isinstance(found, str):
        if kept is not None:
            return kept
        raise FileNotFoundError(
            f"{Place(repository=place.repository, revision=place.revision)} must be a model folder, or a "
            f"repository of one that can be fetched: {found}"
        )
    _check_model(place, [file.rfilename for file in found.siblings or ()])
    try:
        folder = snapshot_download(
            place.repository,
            revision=place.revision,
            allow_patterns=list(_FETCHED),
            etag_timeout=time_limit(),
            tqdm_class=Bar,
        )
    except Exception as error:  # which classes it raises differs with the library's version
        raise FileNotFoundError(f"{place.repository} cannot be fetched: {told(error)}") from error
    return Path(folder)


def _check_model(place: Place, names: Sequence[str]) -> None:
    """Raise unless a repository's files are those of a model."""
    if set(_NEEDED) <= set(names):
        return
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if WEIGHTS not in names and pickles:
        raise ValueError(
            f"{place.repository} holds weights as pickle alone ({_listed(pickles)}), which can run code and "
            f"is not read: ask its owner for a model folder with {WEIGHTS}"
        )
    raise ValueError(
        f"{place.repository} must hold a model folder, {' and '.join(_NEEDED)}, got "
        f"{_listed([name for name in names if not name.startswith('.')])}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:4]) + (", …" if len(names) > 4 else "") if names else "no files"


def _kept_file(repository: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _kept_folder(place: Place) -> Path | None:
    """Return the folder of the hub's cache that holds a model, if it is whole."""
    files = [_kept_file(place.repository, name, place.revision) for name in _NEEDED]
    return None if None in files or files[0] is None else files[0].parent


def _asked(place: Place) -> Any:
    """Return what the hub says of a repository, or in words why it gives none."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, and the hub's cache lacks it"
    found = answer_within(
        lambda: HfApi().model_info(place.repository, revision=place.revision, timeout=time_limit()),
        time_limit(),
    )
    if isinstance(found, GatedRepoError):
        return (
            f"{place.repository} is for those who accept its terms: do so on its page, and log in "
            "(`hf auth login`, or HF_TOKEN)"
        )
    if isinstance(found, RepositoryNotFoundError):
        return (
            f"the hub has no repository {place.repository!r} that you may read; check the name, and for a "
            "private one log in (`hf auth login`, or HF_TOKEN)"
        )
    if isinstance(found, RevisionNotFoundError):
        return f"{place.repository} has no revision {place.revision!r}: name a branch, a tag or a commit"
    if isinstance(found, HfHubHTTPError):
        return f"the hub refuses ({told(found)})"
    if isinstance(found, Exception):
        return f"the hub does not answer ({told(found)})"
    return found


def told(error: Exception) -> str:
    r"""Return an error on one line, behind the name of its class.

    Examples
    --------
    >>> told(TimeoutError("too late"))
    'TimeoutError: too late'
    """
    return f"{type(error).__name__}: {one_line(error)}".rstrip(": ")


def time_limit() -> float:
    """Return the seconds that the hub may take to answer."""
    try:
        return float(os.environ["HF_HUB_ETAG_TIMEOUT"])
    except (KeyError, ValueError):
        return _SECONDS


def answer_within(ask: Callable[[], object], seconds: float) -> object:
    """Return the answer to a question to the network, or the error that it ends in or takes too long with.

    It is asked in a thread, since a name that no server resolves holds a process for long.
    """
    found: list[object] = []

    def asked() -> None:
        try:
            found.append(ask())
        except Exception as error:  # which classes it raises differs with the library's version
            found.append(error)

    thread = threading.Thread(target=asked, daemon=True)
    thread.start()
    thread.join(seconds)
    if found:
        return found[0]
    return TimeoutError(f"no answer within {seconds:g} s, and HF_HUB_ETAG_TIMEOUT sets more")
