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
from jaxtyping import Int64
from mtneuro_data import TaskArrays

from mtneuro_suite.results import Row

Progress = Callable[[int, int], None]
Roles = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step found."""

    rows: list[Row] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    """JSON values that the report shows and no table does."""


def _read_arrays(folders: Sequence[Path]) -> TaskArrays:
    """Return the arrays that ``arrays`` runs wrote, joined in order."""
    return TaskArrays.joined([TaskArrays.read(folder / "arrays.npz") for folder in folders])


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
    from mtneuro_ssl import TrainSettings, train

    data = _read_arrays(roles["train"])
    train(
        data.images,
        TrainSettings.model_validate(settings["train"]),
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
    train = _read_arrays(roles["train"])
    steps = len(tests) + 1
    supervised = settings["supervised"]
    train_corners = train.corners()
    train_embeddings = None if supervised else embed(model, train_corners.images)
    progress(1, steps)
    for done, (task, folders) in enumerate(tests.items(), start=2):
        test = _read_arrays(folders)
        corners = test.corners()
        classes = len(test.region_names)
        scores: dict[str, Int64[np.ndarray, "c c"]] = {}
        if train_embeddings is None:
            scores["whole"] = _confusion(test.region, model.predict(test.images), classes)
            scores["corners"] = _confusion(corners.region, model.predict(corners.images), classes)
        else:
            readout = region_readout(
                train_embeddings,
                train_corners.region,
                embed(model, corners.images),
                corners.region,
                class_names=train.region_names,
                seed=settings["seed"],
            )
            scores["corners"] = readout.confusion
            extra[f"converged {task}"] = readout.converged
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

    data, test = _read_arrays(roles["train"]), _read_arrays(roles["test"])
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
        "training_set": settings["training_set"],
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

    samples = _samples(settings, roles)
    if samples.masks is None:
        raise ValueError("semantic features need pixel labels, and the task names no annotation")
    table = semantic_features(
        samples.masks,
        sample_id=samples.sample_id,
        voxel_size_um=samples.voxel_size_um,
        label_values=settings["label_values"],
        progress=progress,
    )
    table.to_csv(out / "features.csv")
    return Outcome(extra={"samples": len(table), "mean": table.mean().to_dict()})


def _samples(settings: Mapping[str, Any], roles: Roles) -> TaskArrays:
    """Return what Task 3 calls a sample: an image, or one of its corners."""
    data = _read_arrays(roles["samples"])
    return data.corners() if settings["view"] == "corners" else data


def semantics(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Embed the labelled images with one encoder and read the features off the embeddings."""
    import pandas as pd
    from mtneuro_data import downsampled_images
    from mtneuro_probe import Embeddings, feature_readout, matched, save_embeddings
    from mtneuro_ssl import embed, load_model

    samples = _samples(settings, roles)
    model = load_model(roles["encoder"][0] / "model")
    embeddings = embed(model, downsampled_images(samples.images, settings["downsample"]))
    progress(1, 2)
    save_embeddings(out / "embeddings.npz", embeddings, sample_id=samples.sample_id)
    np.save(out / "region.npy", samples.region)
    table = pd.read_csv(roles["features"][0] / "features.csv", index_col="sample_id")
    readout = feature_readout(embeddings, matched(Embeddings(embeddings, samples.sample_id), table))
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
    dimensions = int(embeddings.shape[1])
    return Outcome(rows, {"dimensions": dimensions, "region_names": list(samples.region_names)})


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
