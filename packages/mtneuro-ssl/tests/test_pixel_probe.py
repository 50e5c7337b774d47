import json

import numpy as np
import pytest
from mtneuro_ssl import (
    PixelProbeSettings,
    TrainSettings,
    fit_pixel_probe,
    load_model,
    load_pixel_probe,
    untrained,
)
from mtneuro_ssl.model import NetworkModel

ENCODER = TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu")


@pytest.fixture(scope="module")
def model(lab) -> NetworkModel:
    return untrained(ENCODER)


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright half, which is class 2; class 1 is nowhere, and a corner is unlabelled."""
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 17, 24), np.uint8)
    masks[:, :, 12:] = 2
    images = rng.normal(80 + 50 * masks, 10).clip(0, 255).astype(np.uint8)
    masks[:, :4, :4] = 255
    return images, masks


NAMES = ("background", "vessel", "cell")


@pytest.mark.parametrize("head", ["linear", "convolutional"])
def test_a_probe_finds_the_bright_half_and_is_the_same_from_its_folder(head, model, scene, tmp_path):
    images, masks = scene
    weights = model.fingerprint()
    settings = PixelProbeSettings(head=head, steps=60, filters=8, learning_rate=0.01)
    calls = []
    probe = fit_pixel_probe(
        model, images, masks, settings, class_names=NAMES, progress=lambda *call: calls.append(call)
    )
    labels = probe.predict(images)
    assert labels.dtype == np.uint8
    assert (labels == masks)[masks != 255].mean() > 0.9
    assert calls
    assert all(0 <= done <= whole for done, whole in calls)
    assert model.fingerprint() == weights
    probe.save(tmp_path / "probe")
    again = load_pixel_probe(tmp_path / "probe", model)
    assert np.array_equal(again.predict(images, batch_size=4), labels)
    assert (again.settings, again.class_names, again.image_size) == (settings, NAMES, (17, 24))
    history = (tmp_path / "probe" / "history.csv").read_text().splitlines()
    assert history[0] == "step,loss"
    assert len(history) == 1 + len(probe.losses)


def test_probabilities_add_up_and_a_class_that_the_masks_lack_has_none(model, scene):
    images, masks = scene
    probe = fit_pixel_probe(model, images, masks, class_names=NAMES)
    found = probe.probabilities(images, batch_size=4)
    assert found.shape == (6, 3, 17, 24)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert not found[:, 1].any()
    assert np.array_equal(found.argmax(axis=1), probe.predict(images))


def test_an_image_is_labelled_alike_whatever_its_batch(model, scene):
    images, masks = scene
    probe = fit_pixel_probe(model, images, masks)
    assert np.array_equal(probe.predict(images[2:3]), probe.predict(images)[2:3])


def test_images_of_another_size_are_labelled_too(model, scene):
    images, masks = scene
    probe = fit_pixel_probe(model, images, masks)
    assert probe.predict(np.tile(images, (1, 2, 1))).shape == (6, 34, 24)


def test_unlabelled_pixels_change_nothing(model, scene):
    images, masks = scene
    other = images.copy()
    probe, same = (fit_pixel_probe(model, images, m) for m in (masks, np.where(masks == 255, 255, masks)))
    assert np.array_equal(probe.predict(other), same.predict(other))
    moved = fit_pixel_probe(model, images, np.where(masks == 255, 2, masks).astype(np.uint8))
    assert not np.array_equal(moved.probabilities(images), probe.probabilities(images))


def test_a_fit_that_falls_short_is_told(model, scene, caplog):
    probe = fit_pixel_probe(model, *scene, settings=PixelProbeSettings(max_iter=1))
    assert not probe.converged
    assert "did not converge in max_iter=1 iterations; raise max_iter" in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda masks: masks[:, 1:], r"the images' shape \(6, 17, 24\), got uint8 of shape \(6, 16, 24\)"),
        (lambda masks: masks.astype(float), "must be integers"),
        (lambda masks: masks.astype(int) - 1, "classes from 0 to 254, got -1"),
        (lambda masks: masks * 0, "at least 2 classes, got 'background' only"),
        (lambda masks: masks * 0 + 255, "at least 2 classes, got none"),
        (lambda masks: np.where(masks == 2, 7, masks), "must name class 7, got 3 names; set ignore_label=7"),
        (lambda masks: np.ma.masked_equal(masks, 255), "must not be masked"),
    ],
)
def test_masks_that_do_not_fit_are_refused_before_any_work(change, reason, model, scene, unchecked):
    images, masks = scene
    with pytest.raises(ValueError, match=reason):
        fit_pixel_probe(model, images, change(masks), class_names=NAMES)


def test_255_is_a_class_of_nobody(model, scene):
    with pytest.raises(ValueError, match="got 255, which ignore_label does not name"):
        fit_pixel_probe(model, *scene, settings=PixelProbeSettings(ignore_label=254))


def test_models_without_feature_maps_are_refused(scene, lab):
    images, masks = scene
    with pytest.raises(ValueError, match="encoder 'tiny_lab:constant' must have feature maps"):
        fit_pixel_probe(untrained(ENCODER.model_copy(update={"encoder": "tiny_lab:constant"})), images, masks)
    deep = untrained(ENCODER.model_copy(update={"encoder": "tiny_lab:encoder_3d", "depth": 4}))
    with pytest.raises(ValueError, match="needs a model of images, got one of subvolumes of 4 slices"):
        fit_pixel_probe(deep, images, masks)


def test_a_model_of_components_is_refused(volume, scene, tmp_path):
    from mtneuro_ssl import train

    with np.load(volume) as file:
        pca = train(file["images"], TrainSettings(method="pca", components=2), out=tmp_path / "pca")
    with pytest.raises(ValueError, match="needs a model of images with a network, got one of method 'pca'"):
        fit_pixel_probe(pca, *scene)


def test_a_probe_of_another_model_is_refused(model, scene, tmp_path, lab):
    fit_pixel_probe(model, *scene).save(tmp_path / "probe")
    other = untrained(ENCODER.model_copy(update={"seed": 5}))
    with pytest.raises(ValueError, match="must be a probe of this model, got that of one with other weights"):
        load_pixel_probe(tmp_path / "probe", other)


def test_a_probe_never_takes_the_place_of_a_model(model, scene, tmp_path):
    model.save(tmp_path / "model")
    with pytest.raises(FileExistsError, match="which holds a model: choose another name"):
        fit_pixel_probe(model, *scene).save(tmp_path / "model")
    load_model(tmp_path / "model", trusted=["tiny_lab:encoder"])


def test_a_folder_that_is_no_probe_is_refused(model, scene, tmp_path):
    fit_pixel_probe(model, *scene).save(tmp_path / "probe")
    config = tmp_path / "probe" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"kind": "network"}))
    with pytest.raises(ValueError, match="must be of kind 'pixel probe'"):
        load_pixel_probe(tmp_path / "probe", model)
    with pytest.raises(FileNotFoundError):
        load_pixel_probe(tmp_path / "none", model)
