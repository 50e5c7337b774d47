import json

import numpy as np
import pytest
from mtneuro_probe import load_point_clouds, point_clouds
from mtneuro_seg import TrainSettings, load_model, predict

from mtneuro_suite.steps import Points, Segmenter
from mtneuro_suite.steps.points import clouds_of
from mtneuro_suite.steps.reading import View

CLASSES = ("background", "vessel", "cell")


def ignored(done, total):
    pass


@pytest.fixture
def masks() -> np.ndarray:
    return np.random.default_rng(4).choice(np.array([0, 0, 0, 1, 2], np.uint8), size=(6, 16, 16))


def test_objects_of_masks_have_the_ids_and_regions_of_the_images(arrays_folder, masks, tmp_path):
    # The images that the other rows learn from are smaller; their regions may come from region labels.
    samples = arrays_folder("samples", masks[:, ::2, ::2], region=np.arange(6) % 2)
    labels = arrays_folder("labels", masks, masks=masks, class_names=CLASSES)
    step = Points(class_names=CLASSES, minimum_area_px=2)
    outcome = step.run({"samples": [samples], "labels": [labels]}, tmp_path, ignored)
    values = {"vessel": 1, "cell": 2}
    views: dict[View, bool] = {"whole": False, "corners": True}
    for view, corners in views.items():
        expected = point_clouds(
            masks, values, minimum_area_px=2, voxel_size_um=(1, 1, 1), corners=corners,
            sample_id=[f"A-CTX/z{z}" for z in range(6)],
        )  # fmt: skip
        found = clouds_of(tmp_path, view)
        np.testing.assert_array_equal(found.points, expected.points)
        assert found.sample_id.tolist() == expected.sample_id.tolist()
        assert found.region is not None
        assert found.region.tolist() == np.repeat(np.arange(6) % 2, 4 if corners else 1).tolist()
        assert found.region_names == ("CTX", "VP")
    counts = clouds_of(tmp_path, "whole").counts().mean(axis=0)
    assert outcome.extra == {"images": 6, "mean_count": {"vessel": counts[0], "cell": counts[1]}}


def test_objects_of_a_network_are_those_that_it_predicts(arrays_folder, masks, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr("mtneuro_seg.load_model", lambda *given, **trusted: loaded.append((given, trusted)))
    monkeypatch.setattr("mtneuro_seg.predict", lambda _, images: images // 100)
    (tmp_path / "result.json").write_text(json.dumps({"settings": {"train": {"model": "lab:net"}}}))
    samples = arrays_folder("samples", masks * 100)
    roles = {"samples": [samples], "labels": [samples], "network": [tmp_path]}
    Points(class_names=CLASSES).run(roles, tmp_path, ignored)
    assert loaded == [((tmp_path / "model",), {"trusted": ("lab:net",)})]
    expected = point_clouds(masks, {"vessel": 1, "cell": 2}, voxel_size_um=(1, 1, 1))
    np.testing.assert_array_equal(clouds_of(tmp_path, "whole").points, expected.points)


@pytest.mark.slow
def test_a_trained_network_finds_objects(arrays_folder, masks, tmp_path):
    images = 100 * masks + 20
    train = arrays_folder("train", images, masks=masks, class_names=CLASSES)
    settings = TrainSettings(
        model="unet", classes=3, filters=4, levels=2, steps=12, batch_size=4, learning_rate=0.02, device="cpu"
    )
    network = Segmenter(
        model="mine", task="cells", training_set="cells:train", test_set="cells:test", seed=1, train=settings
    )
    folder = tmp_path / "network"
    network.run({"train": [train], "test": [train]}, folder, ignored)
    (folder / "result.json").write_text(json.dumps({"settings": network.model_dump(mode="json")}))
    samples = arrays_folder("samples", images)
    step = Points(class_names=CLASSES)
    out = tmp_path / "out"
    out.mkdir()
    step.run({"samples": [samples], "labels": [samples], "network": [folder]}, out, ignored)
    prediction = predict(load_model(folder / "model"), images)
    expected = point_clouds(prediction, {"vessel": 1, "cell": 2}, voxel_size_um=(1, 1, 1))
    np.testing.assert_array_equal(load_point_clouds(out / "whole.npz").points, expected.points)


def test_labels_of_other_samples_or_without_masks_are_refused(arrays_folder, masks, tmp_path):
    samples = arrays_folder("samples", masks)
    other = arrays_folder("other", masks, masks=masks, class_names=CLASSES, z=3)
    with pytest.raises(ValueError, match="of the same samples, got other ids"):
        Points(class_names=CLASSES).run({"samples": [samples], "labels": [other]}, tmp_path, ignored)
    with pytest.raises(ValueError, match="pixel labels are needed"):
        Points(class_names=CLASSES).run({"samples": [samples], "labels": [samples]}, tmp_path, ignored)
