"""The public functions give the same for the same numbers, in whatever memory or byte order they lie."""

from pathlib import Path

import mtneuro_ssl as ssl
import numpy as np
import pytest

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 16, 16)).astype(np.uint8)
LABELS = np.arange(12) % 2


def settings(method: str) -> ssl.TrainSettings:
    values = {"method": method, "encoder": "tiny_lab:encoder", "batch_size": 4, "steps": 2, "components": 3}
    return ssl.TrainSettings.model_validate(values | {"device": "cpu"})


@pytest.mark.parametrize("method", ["myow", "supervised", "pca", "nmf"])
def test_the_form_of_an_array_changes_no_training_and_no_embedding(method, tmp_path, array_forms):
    model = ssl.train(IMAGES, settings(method), labels=LABELS, out=tmp_path / "plain")
    expected = ssl.embed(model, IMAGES)
    of_labels = array_forms(LABELS)
    for form, same in array_forms(IMAGES).items():
        np.testing.assert_array_equal(ssl.embed(model, same), expected, err_msg=form)
        again = ssl.train(same, settings(method), labels=of_labels[form], out=tmp_path / form)
        assert again.fingerprint() == model.fingerprint(), form


@pytest.mark.usefixtures("unchecked")
def test_pictures_and_files_take_any_form(tmp_path: Path, array_forms):
    rows = RNG.normal(size=(4, 3, 5)).astype(np.float32)
    colours = ssl.principal_colours(rows)
    ids = np.array([f"A/z{z}" for z in range(4)])
    for form, same in array_forms(rows).items():
        np.testing.assert_array_equal(ssl.principal_colours(same), colours, err_msg=form)
        ssl.save_embeddings(tmp_path / "e.npz", same[:, 0], sample_id=ids)
        with np.load(tmp_path / "e.npz") as file:
            np.testing.assert_array_equal(file["embeddings"], rows[:, 0])
            assert file["embeddings"].dtype == np.float32
    for form, same in array_forms(IMAGES).items():
        np.testing.assert_array_equal(ssl.corner_crops(same), ssl.corner_crops(IMAGES), err_msg=form)
        sheet = ssl.view_sheet(same, settings("byol"), samples=2)
        np.testing.assert_array_equal(sheet, ssl.view_sheet(IMAGES, settings("byol"), samples=2))


@pytest.mark.usefixtures("unchecked")
def test_masked_values_and_embeddings_that_are_not_finite_are_refused(tmp_path):
    hidden = np.ma.masked_equal(IMAGES, IMAGES[0, 0, 0])
    model = ssl.untrained(settings("byol"))
    with pytest.raises(ValueError, match="images must not be masked"):
        ssl.embed(model, hidden)
    with pytest.raises(ValueError, match="images must not be masked"):
        ssl.train(hidden, settings("byol"), out=tmp_path / "model")
    with pytest.raises(ValueError, match="labels must not be masked"):
        ssl.train(
            IMAGES, settings("supervised"), labels=np.ma.masked_equal(LABELS, 1), out=tmp_path / "model"
        )
    rows = np.full((2, 3), np.nan, np.float32)
    with pytest.raises(ValueError, match=r"embeddings must be finite, got nan or inf for 2 .*the first A/z0"):
        ssl.save_embeddings(tmp_path / "e.npz", rows, sample_id=np.array(["A/z0", "A/z1"]))
