"""Models of the Hugging Face hub: take one by its name, and push one."""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mtneuro_ssl._shared.hub import found_folder
from mtneuro_ssl._shared.hub_push import CardFields, Pushed, pushed
from mtneuro_ssl._shared.model_folder import read_config
from mtneuro_ssl._shared.torch_file import check_model_folder
from mtneuro_ssl.model import FORMAT_VERSION, KINDS, Model
from mtneuro_ssl.model_folder import load_model


def from_pretrained(source: Path | str, *, trusted: Collection[str] = (), device: str | None = None) -> Model:
    """Return the model in a folder, or in a repository on the Hugging Face hub; nothing in it is executed.

    Parameters
    ----------
    source
        A folder; or, where there is none of that name, ``owner/name``, ``owner/name@REVISION`` or
        ``owner/name@REVISION#DIGEST``, as `push_to_hub` tells it. A repository's ``config.json``, weights and
        history are fetched, once, and no other file.
    trusted, device
        As for `load_model`: a factory that a repository names is imported from what is installed here, and
        only if it is trusted.

    Raises
    ------
    FileNotFoundError
        If there is no such folder, repository or revision, or it cannot be fetched.
    ValueError
        As for `load_model`, or if the repository holds no model or one of another digest.

    Examples
    --------
    >>> from_pretrained("owner/name@v1").embed(images).shape  # doctest: +SKIP
    (200, 512)
    """
    return load_model(found_folder(source), trusted=trusted, device=device)


def push_to_hub(
    model: Model | Path | str,
    repository: str,
    *,
    licence: str | None = None,
    datasets: Sequence[str] = (),
    tags: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    private: bool = False,
    replace: bool = False,
    message: str | None = None,
) -> Pushed:
    """Push a model to a repository on the Hugging Face hub, and return where it is, pinned.

    Parameters
    ----------
    model
        A model folder, with its history and whatever heads it keeps, or a model in memory.
    repository
        Id of the repository, ``owner/name``; it is made if it is not there.
    licence
        Id of a licence on the hub, such as ``mit``; the card must have one.
    datasets, tags, metrics
        What else the card's header states: data sets on the hub, words to find the model by, and scores.
    private
        Whether a new repository is for its owner alone.
    replace
        Whether a commit may replace a model that the repository holds.
    message
        Of the commit.

    Raises
    ------
    FileExistsError
        If the repository holds a model and may not be given another.
    ValueError
        If the folder holds no model, the repository is named otherwise, or the card has no licence.
    OSError
        If nobody has logged in, the hub refuses or does not answer.
    """
    card = CardFields(
        licence=licence,
        datasets=tuple(datasets),
        tags=tuple(tags),
        metrics=tuple((metrics or {}).items()),
    )
    with tempfile.TemporaryDirectory() as scratch:
        if isinstance(model, Model):
            folder = Path(scratch) / "model"
            model.save(folder)
        else:
            folder = Path(model)
            check_model_folder(folder, program="mtneuro-ssl")
            read_config(folder, kinds=KINDS, format_version=FORMAT_VERSION)
        return pushed(folder, repository, card=card, private=private, replace=replace, message=message)
