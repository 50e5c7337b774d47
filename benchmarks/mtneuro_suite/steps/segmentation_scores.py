"""Score one segmentation network on the test arrays of Task 2."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int64, Shaped, UInt8
from mtneuro_data import TaskArrays

from mtneuro_suite._shared.sample_ids import slice_stacks
from mtneuro_suite.runs.row import Row
from mtneuro_suite.runs.step import Outcome, Roles, Step
from mtneuro_suite.steps.over_cubes import places, ratio_interval
from mtneuro_suite.steps.reading import labelled_arrays

if TYPE_CHECKING:
    from mtneuro_seg import Model


class ScoredNetwork(Step):
    """What the runs of Task 2 share: the key of their rows."""

    model: str
    task: str
    training_set: str
    test_set: str
    seed: int

    @property
    def key(self) -> dict[str, Any]:
        """The part of a row's key that all rows share."""
        return self.model_dump(include=set(ScoredNetwork.model_fields))


def scored(model: "Model", step: ScoredNetwork, roles: Roles, out: Path, *, extra: dict[str, Any]) -> Outcome:
    """Return a network's scores, and keep some of its predictions for the report's figures."""
    from mtneuro_seg import predict

    test, masks = labelled_arrays(roles["test"])
    return scored_prediction(predict(model, test.images), test, masks, step, out, extra=extra)


def scored_prediction(
    prediction: UInt8[np.ndarray, "..."],
    test: TaskArrays,
    masks: Shaped[np.ndarray, "..."],
    step: ScoredNetwork,
    out: Path,
    *,
    extra: dict[str, Any],
) -> Outcome:
    """Return the scores of the classes that were predicted of test arrays, and keep some for the figures."""
    from mtneuro_data import UNLABELLED
    from mtneuro_seg import confusion_matrix, scores

    names = test.class_names
    unlabelled = masks == UNLABELLED
    ignore = UNLABELLED if unlabelled.any() else None
    home = places(test.sample_id)
    cubes = np.unique(home).tolist()
    confusions = np.stack(
        [
            confusion_matrix(masks[home == cube], prediction[home == cube], classes=len(names), ignore=ignore)
            for cube in cubes
        ]
    )
    score = scores(confusions.sum(axis=0))
    if ignore:
        # The figures have no colour for it.
        masks = np.where(unlabelled, 0, masks)
    key: dict[str, Any] = {**step.key, "n": len(test.images)}
    rows: list[Row] = []
    for metric, values, mean in (("f1", score.f1, score.mean_f1), ("iou", score.iou, score.mean_iou)):
        parts, wholes = _overlaps(confusions, metric)
        classes = [[place] for place in range(len(names))]
        for name, value, of in zip(
            (*names, "average"), (*values.tolist(), float(mean)), (*classes, range(len(names))), strict=True
        ):
            low, high = ratio_interval(parts[:, of], wholes[:, of]) or (None, None)
            absent = np.isnan(value)
            rows.append(
                Row(
                    **key,
                    metric=metric,
                    class_name=name,
                    value=None if absent else value,
                    note="no such pixel in the truth or the prediction" if absent else "",
                    low=low,
                    high=high,
                )
            )
        # What they hold of each class, counted in pixels.
        rows += [
            Row(
                **step.key,
                metric=metric,
                class_name=name,
                value=float(parts[at, of] / wholes[at, of]),
                n=int(wholes[at, of]),
                cube=cube,
            )
            for at, cube in enumerate(cubes)
            for of, name in enumerate(names)
            if wholes[at, of]
        ]
    for metric, value in (("accuracy", score.accuracy), ("balanced_accuracy", score.balanced_accuracy)):
        none = np.isnan(value)
        note = "no labelled pixel in the truth" if none else ""
        rows.append(Row(**key, metric=metric, value=None if none else value, note=note))
    shown = _one_a_region(test.region)
    np.savez_compressed(
        out / "examples.npz",
        images=test.images[shown],
        truth=masks[shown],
        prediction=prediction[shown],
        sample_id=test.sample_id[shown],
    )
    # The first cube's whole test stack, for a drawing in three dimensions; subvolumes are stacked along z.
    first = slice_stacks(test.sample_id)[0]
    known: dict[str, Any] = {}
    if test.voxel_size_um is not None:
        known["voxel_size_um"] = test.voxel_size_um
    np.savez_compressed(
        out / "volume.npz",
        truth=masks[first].reshape(-1, *masks.shape[-2:]),
        prediction=prediction[first].reshape(-1, *prediction.shape[-2:]),
        **known,
        region=test.region_names[int(test.region[first[0]])],
    )
    return Outcome(rows, {"class_names": list(names), **extra})


def _overlaps(
    confusions: Int64[np.ndarray, "cubes c c"], metric: str
) -> tuple[Float64[np.ndarray, "cubes c"], Float64[np.ndarray, "cubes c"]]:
    """Return what F1 (2 TP / (2 TP + FP + FN)) or IoU of each class is the ratio of, by cube."""
    hits = np.diagonal(confusions, axis1=1, axis2=2).astype(np.float64)
    either = confusions.sum(axis=1) + confusions.sum(axis=2) - hits
    return (2 * hits, either + hits) if metric == "f1" else (hits, either)


def _one_a_region(region: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " shown"]:
    """Return the middle sample of each region, and three of them where there is one region only."""
    present = np.unique(region)
    if len(present) == 1:
        return np.linspace(0, len(region) - 1, min(3, len(region))).astype(np.int64)
    return np.array(
        [members[len(members) // 2] for members in (np.flatnonzero(region == r) for r in present)]
    )
