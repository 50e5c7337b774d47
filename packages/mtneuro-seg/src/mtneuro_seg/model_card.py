"""The model card: the README of a model's folder."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtneuro_seg._shared.card import header, model_index
from mtneuro_seg.settings import TrainSettings

_TASK = "image-segmentation"


def model_card(
    settings: TrainSettings,
    *,
    class_names: Sequence[str],
    history: Sequence[Mapping[str, float]],
    provenance: Mapping[str, Any],
) -> str:
    """Return the Markdown text of a model's card: network, classes, data, scores and how to use it.

    It begins with a header for hubs, which lacks what only the owner can say: licence and data sets.

    Examples
    --------
    >>> card = model_card(TrainSettings(classes=2), class_names=["none", "cells"], history=[], provenance={})
    >>> print(card)  # doctest: +ELLIPSIS
    ---
    library_name: "mtneuro-seg"
    pipeline_tag: "image-segmentation"
    tags: ["mtneuro", "microscopy", "semantic-segmentation", "2d", "unet"]
    ---
    # 2D U-Net, 2 classes
    ...
    """
    entry = settings.network
    encoder = f", encoder {settings.encoder}" if settings.encoder else ""
    axes = "(n, y, x)" if entry.axes == 2 else "(n, z, y, x)"
    levels = settings.intensity
    window = "" if levels is None else f" ({levels[0]:g} black, {levels[1]:g} white)"
    lines = [
        *header(_fields(settings, history)),
        f"# {entry.title}, {settings.classes} classes",
        "",
        "Labels microstructure in grey-scale image volumes. Made by `mtneuro-seg`; the weights are in",
        "`model.safetensors`, every setting in `config.json`, the learning curves in `history.csv`.",
        "",
        f"- Network: `{settings.model}` ({entry.paper or 'no paper'}; {entry.family}{encoder})",
        f"- Input: {settings.image_type or 'uint8'}{window}, {axes}",
        f"- Classes: {', '.join(f'{label} {name}' for label, name in enumerate(class_names))}",
        *_training_lines(settings, history),
        "",
        *_source_lines(provenance),
        "## Data",
        "",
        *_data_lines(provenance.get("data", {})),
        "",
        "## Use",
        "",
        "    from mtneuro_seg import load_model, predict",
        '    labels = predict(load_model("this folder"), images)',
    ]
    return "\n".join(lines) + "\n"


def _fields(settings: TrainSettings, history: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Return what the card's header says."""
    name = "own-network" if ":" in settings.model else settings.model
    fields: dict[str, Any] = {
        "library_name": "mtneuro-seg",
        "pipeline_tag": _TASK,
        "tags": ["mtneuro", "microscopy", "semantic-segmentation", f"{settings.network.axes}d", name],
    }
    kept = _kept_row(settings, history)
    if kept is not None:
        scores = {"mean_iou": round(kept["val_iou"], 4), "f1": round(kept["val_f1"], 4)}
        fields["metrics"] = list(scores)
        fields["model-index"] = model_index(
            settings.network.title, _TASK, scores, dataset="validation images"
        )
    return fields


def _kept_row(settings: TrainSettings, history: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    """Return the epoch whose weights were kept, if it was validated."""
    scored = [row for row in history if row.get("val_iou", float("nan")) == row.get("val_iou")]
    if not scored:
        return None
    return max(scored, key=lambda row: row["val_iou"]) if settings.keep == "best" else scored[-1]


def _training_lines(settings: TrainSettings, history: Sequence[Mapping[str, float]]) -> list[str]:
    if not history:
        return []
    last = history[-1]
    how = f"{settings.optimiser}, learning rate {settings.learning_rate:g}, loss {settings.loss}"
    lines = [
        f"- Training: {int(last['step'])} steps of {settings.batch_size}, {how}, seed {settings.seed}",
        f"- Last training loss: {last['loss']:.4f}",
    ]
    kept = _kept_row(settings, history)
    if kept is None:
        return [*lines, "- Validation: none"]
    reached = f"mean IoU {kept['val_iou']:.3f}, mean F1 {kept['val_f1']:.3f}"
    return [*lines, f"- Validation, epoch {int(kept['epoch'])}: {reached}"]


def _source_lines(provenance: Mapping[str, Any]) -> list[str]:
    source = provenance.get("source")
    return [] if source is None else [f"The weights are the original benchmark's, from `{source}`.", ""]


def _data_lines(data: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not data:
        return ["Not recorded."]
    return [
        f"- {name.replace('_', ' ')}: {' x '.join(map(str, about['shape']))} {about['dtype']}, "
        # Early versions named the data by another hash.
        f"digest `{about.get('digest') or about.get('blake2b')}`"
        for name, about in data.items()
    ]
