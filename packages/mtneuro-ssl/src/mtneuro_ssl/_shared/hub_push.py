"""Push a model's folder to a repository of the Hugging Face hub, with a complete card."""

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .card import model_index
from .hub import Place, folder_digest, is_repository
from .model_folder import CARD, CONFIG, HEADS, HISTORY, WEIGHTS
from .words import one_line

_FILES = (CARD, CONFIG, WEIGHTS, HEADS, HISTORY, "monitor.csv")
"""The files of a model's folder that are pushed; what else lies there stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFields:
    """What only its owner can say of a model: fields of its card, beside those that the folder states."""

    licence: str | None = None
    """Id of a licence on the hub, such as ``mit`` or ``cc-by-4.0``."""

    datasets: tuple[str, ...] = ()
    """Data sets on the hub that it was trained on, as ``owner/name``."""

    tags: tuple[str, ...] = ()
    """Words to find it by."""

    metrics: tuple[tuple[str, float], ...] = ()
    """Scores, a name and a number each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """A model on the hub."""

    place: Place
    """Repository, commit and digest: ``str(place)`` is the name that pins it."""

    private: bool
    """Whether only its owner may read it."""


def pushed(
    folder: Path,
    repository: str,
    *,
    card: CardFields,
    private: bool = False,
    replace: bool = False,
    message: str | None = None,
) -> Pushed:
    """Push a model's folder to a repository of the hub, which is made if it is not there.

    Parameters
    ----------
    folder
        A model's folder, whose config has been checked.
    repository
        Id of the repository, ``owner/name``.
    card
        What goes into the card beside what the folder's card states; its licence must be in one of the two.
    private
        Whether a new repository is for its owner alone.
    replace
        Whether a commit may replace files that the repository holds.
    message
        Of the commit.

    Raises
    ------
    ValueError
        If the id is of another form, or the card lacks a licence.
    FileExistsError
        If the repository holds such files and they may not be replaced.
    PermissionError
        If no user has logged in, the repository is public and was to be private, or the hub refuses.
    OSError
        If the hub does not answer.
    """
    if not is_repository(repository):
        raise ValueError(f"a model must be pushed to a repository owner/name, got {repository!r}")
    text = _whole_card(folder, card)
    from huggingface_hub import CommitOperationAdd, HfApi, constants, get_token
    from huggingface_hub.errors import RepositoryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("a push needs the hub, and HF_HUB_OFFLINE is set: unset it")
    if get_token() is None:
        raise PermissionError(
            "a push needs a login: run `hf auth login`, or set HF_TOKEN to a token that may write"
        )
    names = [name for name in _FILES if name == CARD or (folder / name).is_file()]
    api = HfApi()
    with _refusals_named(repository):
        try:
            info = api.model_info(repository)
        except RepositoryNotFoundError:
            api.create_repo(repository, private=private or None)  # an owner's default stands
            info = api.model_info(repository)
        if private and not info.private:
            raise PermissionError(
                f"{repository} is public, and --private (private=True) makes only new repositories private: "
                "change it in its settings, or name a new one"
            )
        there = sorted(set(names) & {file.rfilename for file in info.siblings or ()})
        if there and not replace:
            raise FileExistsError(
                f"a model must be pushed to a new repository, got {repository}, which holds "
                f"{', '.join(there)}; --force (replace=True) makes a commit above them, and the history "
                "keeps them"
            )
        commit = api.create_commit(
            repository,
            [
                CommitOperationAdd(name, text.encode() if name == CARD else str(folder / name))
                for name in names
            ],
            commit_message=message or "Push a model",
            parent_commit=info.sha,
        )
    place = Place(repository=repository, revision=commit.oid, digest=folder_digest(folder))
    return Pushed(place=place, private=bool(info.private))


def named_score(text: str, /, *, example: str) -> tuple[str, float]:
    """Return a score for a card from what was typed as ``name=value``.

    Raises
    ------
    ValueError
        If it has another form; the message shows the example.

    Examples
    --------
    >>> named_score("f1=0.5", example="mean_iou=0.61")
    ('f1', 0.5)
    """
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise ValueError(f"--metric must be name=value, such as {example}, got {text!r}") from None


def local_paths(config: Mapping[str, Any], /) -> list[str]:
    """Return the settings that name files of this machine, which whoever reads a pushed model sees.

    Examples
    --------
    >>> local_paths({"settings": {"model": "unet", "encoder_weights": "/home/me/weights.pth"}})
    ['encoder_weights: /home/me/weights.pth']
    """
    settings: Mapping[str, Any] = config.get("settings", {})
    return [
        f"{name}: {value}"
        for name, value in settings.items()
        if isinstance(value, str) and Path(value).is_absolute()
    ]


def _whole_card(folder: Path, card: CardFields) -> str:
    """Return the text of a folder's card with the owner's fields in its header."""
    from huggingface_hub import metadata_load, metadata_save

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / CARD
        given = folder / CARD
        path.write_text(given.read_text("utf-8") if given.is_file() else f"# {folder.name}\n", "utf-8")
        try:
            stated: dict[str, Any] = metadata_load(path) or {}
        except Exception as error:  # that of a YAML library
            raise ValueError(
                f"{given} must begin with YAML between two lines ---, got: {one_line(error)}"
            ) from error
        fields = _merged(stated, card)
        if not fields.get("license"):
            raise ValueError(
                "a card must state a licence: --licence mit (licence='mit'), cc-by-4.0, apache-2.0 or "
                f"another id of the hub's, or a line `license: mit` in the header of {given}"
            )
        metadata_save(path, fields)
        return path.read_text("utf-8")


def _merged(stated: Mapping[str, Any], card: CardFields) -> dict[str, Any]:
    """Return a header's fields with those that its owner gives."""
    fields = dict(stated)
    if card.licence is not None:
        fields["license"] = card.licence.lower()
    fields["datasets"] = _together(stated.get("datasets"), card.datasets)
    fields["tags"] = _together(stated.get("tags"), card.tags)
    fields["metrics"] = _together(stated.get("metrics"), [name for name, _ in card.metrics])
    if card.metrics:
        (added,) = model_index(
            str(stated.get("library_name", "model")),
            str(stated.get("pipeline_tag", "other")),
            dict(card.metrics),
            dataset="as its owner states",
        )
        known = [dict(entry) for entry in stated.get("model-index") or ()]
        if known:
            known[0]["results"] = [*known[0].get("results", ()), *added["results"]]
        fields["model-index"] = known or [added]
    return {name: value for name, value in fields.items() if value not in (None, [], "")}


def _together(stated: object, given: Sequence[str]) -> list[str]:
    known = [str(each) for each in stated] if isinstance(stated, list) else [str(stated)] if stated else []
    return [*dict.fromkeys([*known, *given])]


@contextmanager
def _refusals_named(repository: str) -> Generator[None]:
    """Turn what the hub or the network refuses into one line."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except HfHubHTTPError as error:
        raise PermissionError(f"the hub refuses a push to {repository}: {one_line(error)}") from error
    except (OSError, ValueError):
        raise
    except Exception as error:  # which classes it raises differs with the library's version
        raise ConnectionError(
            f"a push to {repository} failed: {type(error).__name__}: {one_line(error)}"
        ) from error
