"""The paper's settings of its nine networks: Table A4, and the search that chose them."""

import json
from collections.abc import Sequence
from importlib.resources import files
from itertools import product
from typing import Any

from mtneuro_seg.registry import network
from mtneuro_seg.settings import TrainSettings

_SEARCHED_RATES = (0.1, 0.05, 0.01, 0.005, 0.001)
_SEARCHED_BATCHES = (2, 4, 6, 8, 10)


def paper_search(
    model: str,
    classes: int,
    *,
    encoders: Sequence[str] = (),
    optimisers: Sequence[str] = ("adam",),
    **changes: Any,
) -> list[TrainSettings]:
    """Return the settings of every run of the paper's search: five learning rates by five batch sizes.

    Train each with the same validation images, choose with `best_run`, then train the choice with other
    seeds. The runs are independent of one another, so they can be spread over machines.

    Parameters
    ----------
    model
        Name of a network.
    classes
        Number of classes.
    encoders
        Encoders to search too; by default the network's own alone.
    optimisers
        Optimisers to search: ``"adam"``, ``"sgd"``.
    **changes
        Settings that all runs share, such as ``seed``.

    Raises
    ------
    ValueError
        If a name is unknown, or the network has no encoder.

    Notes
    -----
    The paper's Table A4 gives its 3D networks a batch of 1, which lies outside the grid that it prints; for
    them a batch of 1 is searched too. Its encoder and optimiser were chosen by trial.

    Examples
    --------
    >>> len(paper_search("fpn", 3)), len(paper_search("unet3d", 3))
    (25, 30)
    >>> len(paper_search("fpn", 3, encoders=["resnet18", "efficientnet-b7"], optimisers=["adam", "sgd"]))
    100
    """
    sizes = (1, *_SEARCHED_BATCHES) if network(model).axes == 3 else _SEARCHED_BATCHES
    built = [{"encoder_name": encoder} for encoder in encoders] or [{}]
    return [
        TrainSettings.model_validate(
            {"model": model, "classes": classes, "learning_rate": rate, "batch_size": size}
            | {"optimiser": optimiser}
            | encoder
            | changes
        )
        for encoder, optimiser, rate, size in product(built, optimisers, _SEARCHED_RATES, sizes)
    ]


def paper_settings(model: str, classes: int, **changes: Any) -> TrainSettings:
    """Return the paper's settings of a network: learning rate and batch of Table A4, the rest of its text.

    Parameters
    ----------
    model
        Name of one of the paper's nine networks.
    classes
        3 or 4.
    **changes
        Settings to replace, such as ``seed`` or ``encoder_weights``.

    Raises
    ------
    ValueError
        If the paper has no such row.

    Examples
    --------
    >>> settings = paper_settings("manet", 4)
    >>> settings.learning_rate, settings.batch_size, settings.epochs
    (0.001, 8, 20)
    """
    table: dict[str, Any] = json.loads(files("mtneuro_seg").joinpath("table_a4.json").read_text("utf-8"))
    network(model)
    if model not in table:
        raise ValueError(f"the paper has no settings for {model!r}; it has them for {', '.join(table)}")
    if f"{classes}-class" not in table[model]:
        raise ValueError(f"classes must be 3 or 4 for the paper's settings, got {classes}")
    return TrainSettings(
        **({"model": model, "classes": classes} | table[model][f"{classes}-class"] | changes)
    )
