"""``mtneuro-ssl push``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mtneuro_ssl._shared.terminal import Force

Several = Annotated[tuple[str, ...], Parameter(show_default=False)]


def push(
    model: Path,
    repository: str,
    /,
    *,
    force: Force = False,
    private: bool = False,
    licence: Annotated[str | None, Parameter(name=["--licence", "--license"])] = None,
    dataset: Several = (),
    tag: Several = (),
    metric: Several = (),
    message: str | None = None,
) -> Iterator[str]:
    """Push a model to a repository on the Hugging Face hub, which is made if it is not there.

    Of the folder, its card, config, weights, heads and history are pushed, nothing else that lies there. Log
    in first: `hf auth login`, or HF_TOKEN. The last line names the model by its commit and digest: under that
    name every command takes it, and nothing else.

    Example: `mtneuro-ssl push models/byol owner/name --licence mit --private`

    Parameters
    ----------
    model
        Model folder.
    repository
        The repository, owner/name.
    private
        Make a new repository for its owner alone; without it, the owner's default stands, mostly public.
    licence
        Id of a licence on the hub, such as mit, apache-2.0 or cc-by-4.0; needed unless the header of the
        folder's README.md states one.
    dataset
        A data set on the hub that the model was trained on, as owner/name; may be given several times.
    tag
        A word to find the model by; may be given several times.
    metric
        A score for the card, as name=value, such as balanced_accuracy=0.61; may be given several times.
    message
        Message of the commit.
    """
    from mtneuro_ssl._shared.hub_push import local_paths, named_score
    from mtneuro_ssl._shared.model_folder import read_config
    from mtneuro_ssl.model import FORMAT_VERSION, KINDS
    from mtneuro_ssl.pretrained import push_to_hub

    metrics = dict(named_score(text, example="balanced_accuracy=0.61") for text in metric)
    config = read_config(model, kinds=KINDS, format_version=FORMAT_VERSION)
    done = push_to_hub(
        model,
        repository,
        licence=licence,
        datasets=dataset,
        tags=tag,
        metrics=metrics,
        private=private,
        replace=force,
        message=message,
    )
    for named in local_paths(config):
        yield f"config.json names a file of this machine, which readers see: {named}"
    yield f"model pushed to {done.place.repository}{' (private)' if done.private else ''}"
    yield f"pinned: {done.place}"
