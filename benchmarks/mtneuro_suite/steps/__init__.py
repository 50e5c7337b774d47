"""What each kind of run does: the only place where the four packages meet.

A step gets its run's settings, the folders of the runs it needs by role, and a folder to write to; it
returns the rows of its result and what else the report wants to know. Nothing here knows of presets,
processes or tables.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int64, Shaped
from mtneuro_data import TaskArrays

from mtneuro_suite.runs.store import Row

if TYPE_CHECKING:
    from mtneuro_seg import Model as SegModel
    from mtneuro_ssl import Model

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
    """Train one encoder, go on where an interrupted run stopped, or take a trained one as it is."""
    from mtneuro_ssl import TrainSettings, load_model, train

    if "folder" in settings:
        load_model(settings["folder"])
        shutil.copytree(settings["folder"], out / "model", dirs_exist_ok=True)
        return Outcome()
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


def _result(folder: Path) -> dict[str, Any]:
    """Return what a finished run wrote."""
    return json.loads((folder / "result.json").read_text("utf-8"))


def _trained(folder: Path) -> "Model":
    """Return the model that an ``encoder`` run wrote."""
    from mtneuro_ssl import load_model

    settings = _result(folder)["settings"]
    # The run itself called the factory that its settings name.
    return load_model(folder / "model", trusted=(settings.get("train", {}).get("encoder", ""),))


def regions(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Score one encoder on the test sets of one or more sub-tasks."""
    from mtneuro_probe import region_readout
    from mtneuro_ssl import embed

    model = _trained(roles["encoder"][0])
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
    """Train one segmentation network, or take a trained one as it is, and score it."""
    from mtneuro_seg import TrainSettings, load_model, train

    if "folder" in settings:
        return _scored(load_model(settings["folder"]), settings, roles, out, extra={})
    data, masks = _labelled(roles["train"])
    model = train(
        data.images,
        TrainSettings.model_validate(settings["train"]),
        masks=masks,
        class_names=data.class_names,
        out=out / "model",
        progress=progress,
    )
    return _scored(model, settings, roles, out, extra={"images": len(data.images)})


def selection(settings: Mapping[str, Any], roles: Roles, out: Path, progress: Progress) -> Outcome:
    """Score the candidate of the highest mean IoU on the validation slices on the test slices."""
    from mtneuro_seg import load_model

    results = [_result(folder) for folder in roles["candidates"]]
    scores = [_mean_iou(result["rows"]) for result in results]
    best = int(np.argmax(scores))
    chosen = results[best]["settings"]
    model = load_model(roles["candidates"][best] / "model")
    found = {result["settings"]["model"]: score for result, score in zip(results, scores, strict=True)}
    outcome = _scored(model, settings, roles, out, extra={"chosen": chosen["model"], "validation": found})
    for metric in ("learning_rate", "batch_size"):
        outcome.rows.append(
            Row(**_key(settings), metric=metric, class_name="", value=chosen["train"][metric], n=len(results))
        )
    return outcome


def _mean_iou(rows: Sequence[Mapping[str, Any]]) -> float:
    (row,) = [row for row in rows if row["metric"] == "iou" and row["class_name"] == "average"]
    return float(row["value"])


def _labelled(folders: Sequence[Path]) -> tuple[TaskArrays, Shaped[np.ndarray, "..."]]:
    """Return arrays and their masks."""
    data = _read_arrays(folders)
    if data.masks is None:
        raise ValueError("pixel labels are needed, and the task names no annotation")
    return data, data.masks


def _key(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in ("task", "training_set", "test_set", "model", "seed")}


def _scored(
    model: "SegModel", settings: Mapping[str, Any], roles: Roles, out: Path, *, extra: dict[str, Any]
) -> Outcome:
    """Return a network's scores, and keep some of its predictions for the report's figures."""
    from mtneuro_seg import confusion_matrix, predict, scores

    test, masks = _labelled(roles["test"])
    names = test.class_names
    prediction = predict(model, test.images)
    score = scores(confusion_matrix(masks, prediction, classes=len(names)))
    key: dict[str, Any] = {**_key(settings), "n": len(test.images)}
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
        truth=masks[shown],
        prediction=prediction[shown],
        sample_id=test.sample_id[shown],
    )
    # One cube's whole test stack, for a drawing in three dimensions; subvolumes are stacked along z.
    first = test.region == test.region[0]
    np.savez_compressed(
        out / "volume.npz",
        truth=masks[first].reshape(-1, *masks.shape[-2:]),
        prediction=prediction[first].reshape(-1, *prediction.shape[-2:]),
        voxel_size_um=test.voxel_size_um,
        region=test.region_names[int(test.region[0])],
    )
    return Outcome(rows, {"class_names": list(names), **extra})


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
    from mtneuro_ssl import embed

    samples = _samples(settings, roles)
    model = _trained(roles["encoder"][0])
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
    "selection": selection,
    "features": features,
    "semantics": semantics,
    "umap": umap,
}
