"""What each kind of run does: the only place where the four packages meet.

A step gets its run's settings, the folders of the runs it needs by role, and a folder to write to; it
returns the rows of its result and what else the report wants to know. Nothing here knows of presets,
processes or tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

from mtneuro_suite.results import Row

Progress = Callable[[int, int], None]
Roles = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found."""

    rows: list[Row] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    """JSON values that the report shows and no table does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrays:
    """The arrays of one or more parts of a task, one after the other."""

    images: UInt8[np.ndarray, "n *shape"]
    region: Int64[np.ndarray, " n"]
    masks: UInt8[np.ndarray, "n *shape"] | None
    sample_id: np.ndarray
    region_names: tuple[str, ...]
    class_names: tuple[str, ...]
    voxel_size_um: tuple[float, float, float]


def read_arrays(folders: Sequence[Path]) -> Arrays:
    """Return the arrays that ``arrays`` runs wrote, joined in order."""
    parts: list[dict[str, np.ndarray]] = []
    for folder in folders:
        with np.load(folder / "arrays.npz", allow_pickle=False) as file:
            parts.append({key: file[key] for key in file.files})
    first = parts[0]
    return Arrays(
        images=np.concatenate([part["images"] for part in parts]),
        region=np.concatenate([part["region"] for part in parts]),
        masks=np.concatenate([part["masks"] for part in parts]) if "masks" in first else None,
        sample_id=np.concatenate([part["sample_id"] for part in parts]),
        region_names=tuple(first["region_names"].tolist()),
        class_names=tuple(first["class_names"].tolist()) if "class_names" in first else (),
        voxel_size_um=tuple(first["voxel_size_um"].tolist()),
    )


def _corners(images: np.ndarray) -> np.ndarray:
    from mtneuro_data import four_corners

    crops = four_corners(images)
    return crops.reshape(-1, *crops.shape[2:])


def arrays(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Load one part of a task and keep its arrays, so that every run that needs them reads the same."""
    from mtneuro_data import Cache, TaskSpec, load

    task = TaskSpec.model_validate(settings["task"])
    # Only what comes over a network is worth a second copy on the disk.
    cache = Cache() if task.image.startswith("bossdb://") else None
    loaded = load(task, "all", cache=cache, progress=progress)
    loaded.save(out / "arrays.npz")
    counts = np.bincount(loaded.region, minlength=len(loaded.region_names))
    return Outcome(
        extra={
            "images": len(loaded),
            "shape": list(loaded.images.shape),
            "per_region": dict(zip(loaded.region_names, counts.tolist(), strict=True)),
        }
    )


def encoder(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Train one encoder, or go on where an interrupted run stopped."""
    from mtneuro_ssl import TrainSettings, train, untrained

    train_settings = TrainSettings.model_validate(settings["train"])
    data = read_arrays(roles["train"])
    if settings["untrained"]:
        untrained(train_settings).save(out / "model")
    else:
        train(
            data.images,
            train_settings,
            labels=data.region,
            class_names=data.region_names,
            out=out / "model",
            progress=progress,
        )
    return Outcome(extra={"images": len(data.images)})


def regions(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Score one encoder on the test sets of one or more sub-tasks."""
    from mtneuro_probe import region_readout
    from mtneuro_ssl import embed, load_model

    model = load_model(roles["encoder"][0] / "model")
    tests = {
        name.removeprefix("test "): folders for name, folders in roles.items() if name.startswith("test ")
    }
    rows: list[Row] = []
    extra: dict[str, Any] = {}
    train = read_arrays(roles["train"])
    steps = len(tests) + 1
    supervised = settings["supervised"]
    train_embeddings = None if supervised else embed(model, _corners(train.images))
    progress(1, steps)
    for done, (task, folders) in enumerate(tests.items(), start=2):
        test = read_arrays(folders)
        crops, crop_region = _corners(test.images), np.repeat(test.region, 4)
        classes = len(test.region_names)
        scores: dict[str, Int64[np.ndarray, "c c"]] = {}
        if train_embeddings is None:
            scores["whole"] = _confusion(test.region, model.predict(test.images), classes)
            scores["corners"] = _confusion(crop_region, model.predict(crops), classes)
        else:
            scores["corners"] = region_readout(
                train_embeddings,
                np.repeat(train.region, 4),
                embed(model, crops),
                crop_region,
                class_names=train.region_names,
                seed=settings["seed"],
            ).confusion
        for view, confusion in scores.items():
            n = int(confusion.sum())
            rows.append(
                Row(
                    task=task,
                    training_set=settings["training_set"],
                    test_set=f"{task}:test",
                    model=settings["model"],
                    seed=settings["seed"],
                    metric=f"accuracy_{view}",
                    class_name="",
                    value=float(confusion.trace() / n),
                    n=n,
                )
            )
            extra[f"confusion {task} {view}"] = confusion.tolist()
        progress(done, steps)
    return Outcome(rows, {**extra, "region_names": list(train.region_names)})


def _confusion(
    truth: Int64[np.ndarray, " n"], prediction: Int64[np.ndarray, " n"], classes: int
) -> Int64[np.ndarray, "c c"]:
    return np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)


def segmenter(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Train one segmentation network and score it on the test slices."""
    from mtneuro_seg import TrainSettings, confusion_matrix, predict, scores, train

    data, test = read_arrays(roles["train"]), read_arrays(roles["test"])
    if data.masks is None or test.masks is None:
        raise ValueError("segmentation needs pixel labels, and the task names no annotation")
    names = data.class_names
    model = train(
        data.images,
        TrainSettings.model_validate(settings["train"]),
        masks=data.masks,
        class_names=names,
        out=out / "model",
        progress=progress,
    )
    prediction = predict(model, test.images)
    score = scores(confusion_matrix(test.masks, prediction, classes=len(names)))
    key: dict[str, Any] = {
        "task": settings["task"],
        "training_set": f"{settings['task']}:train+val",
        "test_set": f"{settings['task']}:test",
        "model": settings["model"],
        "seed": settings["seed"],
        "n": len(test.images),
    }
    rows: list[Row] = []
    for metric, values, mean in (("f1", score.f1, score.mean_f1), ("iou", score.iou, score.mean_iou)):
        for name, value in (*zip(names, values.tolist(), strict=True), ("average", float(mean))):
            absent = np.isnan(value)
            rows.append(
                Row(
                    **key,
                    metric=metric,
                    class_name=name,
                    value=None if absent else value,
                    note="no such pixel in the truth or the prediction" if absent else "",
                )
            )
    shown = _one_a_region(test.region)
    np.savez_compressed(
        out / "examples.npz",
        images=test.images[shown],
        truth=test.masks[shown],
        prediction=prediction[shown],
        sample_id=test.sample_id[shown],
    )
    return Outcome(rows, {"class_names": list(names), "images": len(data.images)})


def _one_a_region(region: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " shown"]:
    """Return the middle sample of each region, and three of them where there is one region only."""
    present = np.unique(region)
    if len(present) == 1:
        return np.linspace(0, len(region) - 1, min(3, len(region))).astype(np.int64)
    return np.array(
        [members[len(members) // 2] for members in (np.flatnonzero(region == r) for r in present)]
    )


def features(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Measure the semantic features of every sample's labels."""
    from mtneuro_probe import semantic_features

    data = read_arrays(roles["samples"])
    if data.masks is None:
        raise ValueError("semantic features need pixel labels, and the task names no annotation")
    corners = settings["view"] == "corners"
    labels = _corners(data.masks) if corners else data.masks
    table = semantic_features(
        labels,
        sample_id=_sample_id(data, corners=corners),
        voxel_size_um=data.voxel_size_um,
        label_values=settings["label_values"],
        progress=progress,
    )
    table.to_csv(out / "features.csv")
    return Outcome(extra={"samples": len(table), "mean": table.mean().to_dict()})


def _sample_id(data: Arrays, *, corners: bool) -> np.ndarray:
    if not corners:
        return data.sample_id
    return np.array(
        [f"{sample}/{corner}" for sample in data.sample_id for corner in ("tl", "tr", "bl", "br")]
    )


def semantics(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Embed the labelled images with one encoder and read the features off the embeddings."""
    import pandas as pd
    from mtneuro_data import downsampled_images
    from mtneuro_probe import feature_readout, save_embeddings
    from mtneuro_ssl import embed, load_model

    data = read_arrays(roles["samples"])
    corners = settings["view"] == "corners"
    images = downsampled_images(data.images, settings["downsample"])
    model = load_model(roles["encoder"][0] / "model")
    embeddings = embed(model, _corners(images) if corners else images)
    progress(1, 2)
    sample_id = _sample_id(data, corners=corners)
    save_embeddings(out / "embeddings.npz", embeddings, sample_id=sample_id)
    table = pd.read_csv(roles["features"][0] / "features.csv", index_col="sample_id")
    readout = feature_readout(embeddings, table.loc[sample_id])
    rows: list[Row] = []
    for feature, values in readout.to_dict("index").items():
        for metric in ("r2_same_sample", "r2_cross_validated"):
            value = float(values[metric])
            rows.append(
                Row(
                    task=settings["task"],
                    training_set=settings["training_set"],
                    test_set="semantics:all",
                    model=settings["model"],
                    seed=settings["seed"],
                    metric=metric,
                    class_name=str(feature),
                    value=None if np.isnan(value) else value,
                    n=int(values["n_samples"]),
                    note=str(values["reason"]) if np.isnan(value) else "",
                )
            )
    progress(2, 2)
    region = np.repeat(data.region, 4) if corners else data.region
    np.save(out / "region.npy", region)
    return Outcome(rows, {"dimensions": int(embeddings.shape[1]), "region_names": list(data.region_names)})


def umap(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Lay one encoder's embeddings out in the plane."""
    from mtneuro_probe import load_embeddings, umap_embedding

    loaded = load_embeddings(roles["semantics"][0] / "embeddings.npz")
    points = umap_embedding(loaded.embeddings, n_neighbors=settings["neighbours"], seed=settings["seed"])
    np.save(out / "points.npy", points)
    return Outcome()


STEPS: dict[str, Callable[[Mapping[str, Any], Roles, Path, Progress], Outcome]] = {
    "arrays": arrays,
    "encoder": encoder,
    "regions": regions,
    "segmenter": segmenter,
    "features": features,
    "semantics": semantics,
    "umap": umap,
}
