import json
from typing import Any

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, load_model

from mtneuro_suite.steps import Encoder, Regions
from mtneuro_suite.steps.over_cubes import CubeCounts
from mtneuro_suite.steps.regions import TEST, accuracy_rows, confusion_of


def ignored(done, total):
    pass


@pytest.fixture
def scored(arrays_folder, dark_and_bright, tmp_path):
    """Score an encoder of a method on two test sets: the training images, and these with wrong regions."""
    images, region = dark_and_bright

    def score(*, linear=None, **settings):
        train = arrays_folder("train", images, region=region)
        swapped = arrays_folder("swapped", images, region=1 - region)
        step = Encoder(train=TrainSettings(device="cpu", **settings))
        out = tmp_path / "encoder"
        step.run({"train": [train]}, out, ignored)
        (out / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
        supervised = settings["method"] == "supervised"
        regions = Regions(
            model="mine", supervised=supervised, seed=1, training_set="mine:train", linear=linear
        )
        roles = {"encoder": [out], "train": [train], f"{TEST}same": [train], f"{TEST}swapped": [swapped]}
        told = []
        outcome = regions.run(roles, tmp_path, lambda *progress: told.append(progress))
        assert told == [(1, 3), (2, 3), (3, 3)]
        return outcome

    return score


def test_an_encoder_is_read_out_on_the_four_corners_of_each_image(scored):
    outcome = scored(method="pca", components=2)
    values = {
        (row.task, row.test_set, row.metric): (row.value, row.n) for row in outcome.rows if not row.cube
    }
    # Dark and bright images are told apart without an error, and swapped regions are all wrong.
    assert values == {
        ("same", "same:test", "accuracy_corners"): (1.0, 48),
        ("same", "same:test", "balanced_accuracy_corners"): (1.0, 48),
        ("swapped", "swapped:test", "accuracy_corners"): (0.0, 48),
        ("swapped", "swapped:test", "balanced_accuracy_corners"): (0.0, 48),
    }
    assert outcome.extra["confusion same corners"] == [[24, 0], [0, 24]]
    assert outcome.extra["confusion swapped corners"] == [[0, 24], [24, 0]]
    assert outcome.extra["region_names"] == ["CTX", "VP"]


def test_a_supervised_model_classifies_whole_images_and_corners_itself(scored):
    outcome = scored(method="supervised", steps=2, batch_size=4, latent_dim=4)
    assert [(row.task, row.metric, row.n) for row in outcome.rows if not row.cube] == [
        (task, f"{metric}_{view}", n)
        for task in ("same", "swapped")
        for view, n in (("whole", 12), ("corners", 48))
        for metric in ("accuracy", "balanced_accuracy")
    ]
    # Of two regions, what is right for one set of labels is wrong for the other.
    values = {(row.task, row.metric): row.value for row in outcome.rows if not row.cube}
    assert values["same", "accuracy_whole"] + values["swapped", "accuracy_whole"] == pytest.approx(1)
    counts = np.array(outcome.extra["confusion same whole"])
    assert counts.sum(axis=1).tolist() == [6, 6]


def test_a_linear_layer_is_trained_on_whole_images_and_tested_on_corners(scored, tmp_path):
    linear = TrainSettings(
        method="supervised", train_encoder=False, epochs=2, batch_size=4, weight_decay=0, latent_dim=4,
        mean=0, sd=1, device="cpu",
    )  # fmt: skip
    outcome = scored(method="untrained", latent_dim=4, linear=linear)
    values = {(row.task, row.metric): (row.value, row.n) for row in outcome.rows if not row.cube}
    assert not any(metric.endswith("whole") for _, metric in values)
    (right, n), (wrong, _) = (values[task, "accuracy_corners"] for task in ("same", "swapped"))
    assert (right + wrong, n) == (pytest.approx(1), 48)
    models: list[Any] = [load_model(tmp_path / name) for name in ("encoder/model", "linear")]
    encoder, trained = models
    assert (trained.settings.mean, trained.settings.sd) == (0, 1)
    before, after = (dict(model.encoder.named_parameters()) for model in models)
    assert all(np.array_equal(before[name].detach(), after[name].detach()) for name in before)
    # Whole images, as they are, have moved the statistics of the encoder's batch normalisation.
    assert not np.array_equal(encoder.encoder.bn1.running_mean, trained.encoder.bn1.running_mean)


def test_the_linear_layer_is_trained_where_its_settings_say():
    linear = TrainSettings(method="supervised", train_encoder=False, device="cuda")
    step = Regions(model="mine", supervised=False, seed=1, training_set="t:train", linear=linear)
    assert step.device == "cuda"
    assert "mtneuro_ssl.methods.supervised" in step.executed_modules()
    assert step.model_copy(update={"linear": None}).device == "cpu"


def test_an_accuracy_has_a_row_for_each_cube_and_its_interval_over_them():
    region = np.array([0, 0, 1, 1, 0, 1])
    predicted = np.array([0, 1, 1, 1, 1, 0])
    cubes = CubeCounts.of(region == predicted, [f"{cube}/z{z}" for cube in "ABC" for z in (0, 1)])
    rows = accuracy_rows(
        confusion_of(region, predicted, 2),
        "corners",
        task="t",
        model="m",
        seed=1,
        training_set="t:train",
        cubes=cubes,
    )
    whole, balanced, *each = rows
    assert (whole.value, whole.n, whole.cube) == (0.5, 6, "")
    assert (whole.low, whole.high) == (0, 1)
    assert (balanced.low, balanced.metric) == (None, "balanced_accuracy_corners")
    assert [(row.cube, row.value, row.n) for row in each] == [("A", 0.5, 2), ("B", 1, 2), ("C", 0, 2)]


def test_balanced_accuracy_weighs_regions_alike_and_leaves_out_those_that_are_not_there():
    from mtneuro_suite.steps.regions import accuracies

    # Of ten samples of the first region nine are right, of two of the second one; of the third there is none.
    assert accuracies(np.array([[9, 1, 0], [1, 1, 0], [0, 0, 0]])) == (10 / 12, pytest.approx(0.7))


@pytest.fixture
def scored_in_3d(arrays_folder, dark_and_bright, tmp_path):
    """Score an encoder of subvolumes of 4 slices on the subvolumes that it learnt from."""
    images, region = dark_and_bright

    def score(**settings):
        deep = np.repeat(images[:, None], 4, axis=1)
        train = arrays_folder("train", deep, region=region, ids=[f"A-CTX/z{4 * i}" for i in range(len(deep))])
        step = Encoder(train=TrainSettings(device="cpu", depth=4, latent_dim=4, **settings))
        out = tmp_path / "encoder"
        step.run({"train": [train]}, out, ignored)
        (out / "result.json").write_text(json.dumps({"settings": step.model_dump(mode="json")}))
        regions = Regions(
            model="mine", supervised=step.train.method == "supervised", seed=1, training_set="mine:train"
        )
        return regions.run({"encoder": [out], "train": [train], f"{TEST}same": [train]}, tmp_path, ignored)

    return score


def test_subvolumes_are_read_out_on_their_corners_of_all_slices(scored_in_3d):
    values = {
        row.metric: (row.value, row.n)
        for row in scored_in_3d(method="pca", components=2).rows
        if not row.cube
    }
    assert values["accuracy_corners"] == (1.0, 48)


def test_a_supervised_model_classifies_subvolumes(scored_in_3d):
    outcome = scored_in_3d(method="supervised", steps=2, batch_size=4)
    sizes = {row.metric: row.n for row in outcome.rows if not row.cube}
    assert (sizes["accuracy_whole"], sizes["accuracy_corners"]) == (12, 48)
