import json

import numpy as np
import pytest


@pytest.fixture
def model(volume, tmp_path, run, tiny):
    run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny("encoder=timm/test_resnet"))
    return tmp_path / "model"


@pytest.fixture
def labelled(volume, tmp_path):
    """The same images, and masks of their bright pixels, in one file."""
    with np.load(volume) as file:
        content = dict(file)
    masks = (content["images"] > 128).astype(np.uint8)
    np.savez(tmp_path / "labelled.npz", **content, masks=masks, class_names=np.array(["background", "cell"]))
    np.save(tmp_path / "masks.npy", masks)
    return tmp_path / "labelled.npz"


def test_a_probe_is_fitted_to_images_with_their_masks(model, labelled, tmp_path, run, capsys):
    run("probe", model, labelled, "-o", tmp_path / "probe")
    assert f"linear probe of 2 classes written to {tmp_path / 'probe'}" in capsys.readouterr().out
    config = json.loads((tmp_path / "probe" / "config.json").read_text())
    assert (config["kind"], config["class_names"]) == ("pixel probe", ["background", "cell"])


def test_masks_may_be_a_file_of_their_own_and_the_head_another(
    model, volume, labelled, tmp_path, run, capsys
):
    more = ("--head", "convolutional", "--steps", 2, "--filters", 4)
    run("probe", model, volume, tmp_path / "masks.npy", "-o", tmp_path / "probe", *more)
    assert "convolutional probe of 2 classes" in capsys.readouterr().out
    assert len((tmp_path / "probe" / "history.csv").read_text().splitlines()) == 3


def test_a_fit_that_falls_short_is_told(model, labelled, tmp_path, run, capsys):
    run("probe", model, labelled, "-o", tmp_path / "probe", "--max-iter", 1)
    assert "(the fit did not converge: raise --max-iter)" in capsys.readouterr().out


def test_what_is_there_is_replaced_only_by_force_and_a_model_never(model, labelled, tmp_path, run, capsys):
    run("probe", model, labelled, "-o", tmp_path / "probe")
    run("probe", model, labelled, "-o", tmp_path / "probe", status=2)
    assert "--force replaces it" in capsys.readouterr().err
    run("probe", model, labelled, "-o", tmp_path / "probe", "--force")
    run("probe", model, labelled, "-o", model, "--force", status=2)
    assert "which holds a model: choose another name" in capsys.readouterr().err


def test_images_without_masks_are_refused(model, volume, tmp_path, run, capsys):
    with np.load(volume) as file:
        np.save(tmp_path / "images.npy", file["images"])
    run("probe", model, tmp_path / "images.npy", "-o", tmp_path / "probe", status=2)
    assert "MASKS must be given unless IMAGES is an .npz that holds masks" in capsys.readouterr().err
    run("probe", model, volume, "-o", tmp_path / "probe", status=2)
    assert "masks" in capsys.readouterr().err
