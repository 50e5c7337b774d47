"""Corrections as images to train on, and that training on with them helps."""

import numpy as np
import pytest
from mtneuro_seg import (
    SuggestSettings,
    SweepSettings,
    TrainSettings,
    finetune,
    load_model,
    predict,
    suggest,
    train,
)
from mtneuro_seg.annotation.finetuning import corrected_images, tuned_settings
from mtneuro_seg.nifti import write_nifti

CHANGES = {"epochs": 1, "batch_size": 2}


def correct(folder, box, labels) -> None:
    write_nifti(folder / "boxes" / box.name / "labels.nii.gz", labels, voxel_size_um=None)


def test_boxes_become_slices_for_a_2d_network_and_stay_whole_for_a_3d_one(untrained, suggested, tmp_path):
    suggested(tmp_path / "a")
    found = corrected_images([tmp_path / "a"], model=untrained(), accept="all")
    assert found.images.shape == found.masks.shape == (4, 16, 16)
    deep = corrected_images([tmp_path / "a"], model=untrained("unet3d"), accept="all")
    assert deep.images.shape == (2, 2, 16, 16)
    np.testing.assert_array_equal(deep.images.reshape(4, 16, 16), found.images)


def test_what_is_not_known_is_not_learnt_from(untrained, suggested, tmp_path):
    first, _ = suggested(tmp_path / "a")
    labels = np.full((2, 16, 16), 255, np.uint8)
    labels[1, 0, 0] = 1
    correct(tmp_path / "a", first.box, labels)
    found = corrected_images([tmp_path / "a"], model=untrained())
    # A slice of which nothing is known is no image.
    assert found.masks.shape == (1, 16, 16)
    assert np.unique(found.masks).tolist() == [1, 255]
    assert tuned_settings(untrained().settings, {}).ignore_label == 255
    other = untrained(ignore_label=2)
    assert np.unique(corrected_images([tmp_path / "a"], model=other).masks).tolist() == [1, 2]
    assert tuned_settings(other.settings, {}).ignore_label == 2


def test_boxes_of_several_rounds_are_learnt_from_together(untrained, suggested, tmp_path):
    first = suggested(tmp_path / "a")
    suggested(tmp_path / "b", annotated=[each.box for each in first])
    found = corrected_images([tmp_path / "a", tmp_path / "b"], model=untrained(), accept="all")
    assert len({each.box for each in found.boxes}) == 4
    suggested(tmp_path / "c", settings={"size": (1, 8, 8)})
    with pytest.raises(
        ValueError, match=r"boxes must be of one size .* got \(16, 16\) of .* and \(8, 8\) of "
    ):
        corrected_images([tmp_path / "a", tmp_path / "c"], model=untrained(), accept="all")


def test_nothing_corrected_and_unknown_names_are_told(untrained, suggested, tmp_path):
    suggested(tmp_path / "a")
    with pytest.raises(ValueError, match=r"got none of 2 in .* right as they are with --accept"):
        corrected_images([tmp_path / "a"], model=untrained())
    with pytest.raises(ValueError, match=r"boxes to accept must be among z.* got 'z9-y9-x9'"):
        corrected_images([tmp_path / "a"], model=untrained(), accept=["z9-y9-x9"])
    with pytest.raises(ValueError, match="there must be a folder of suggestions"):
        corrected_images([], model=untrained())
    with pytest.raises(ValueError, match="must be uint16, as the model was trained on, got uint8"):
        corrected_images([tmp_path / "a"], model=untrained(image_type="uint16"), accept="all")


def test_the_settings_are_the_models_but_slower_and_normalised_as_it_was():
    settings = TrainSettings(
        classes=3, filters=4, learning_rate=0.02, mean=0.3, sd=0.2, keep="best", patience=3, epochs=7
    ).model_copy(update={"normalisation": "data"})
    found = tuned_settings(settings, {"epochs": 2})
    assert found.learning_rate == pytest.approx(0.002)
    assert (found.mean, found.sd, found.normalisation) == (0.3, 0.2, "given")
    assert (found.keep, found.patience, found.epochs, found.filters) == ("last", None, 2, 4)


def test_it_starts_from_the_models_weights_resumes_and_leaves_all_else(untrained, suggested, tmp_path):
    suggested(tmp_path / "a")
    model = untrained()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    files = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    still = CHANGES | {"learning_rate": 1e-12}
    tuned = finetune(model, [tmp_path / "a"], out=tmp_path / "new", accept="all", changes=still)
    for name, value in tuned.network.named_parameters():
        np.testing.assert_allclose(value.detach().numpy(), before[name].numpy(), atol=1e-9)
    assert all((value == before[name]).all() for name, value in model.network.state_dict().items())
    assert files == {path: path.read_bytes() for path in (tmp_path / "a").rglob("*") if path.is_file()}
    done: list[int] = []
    finetune(
        model,
        [tmp_path / "a"],
        out=tmp_path / "new",
        accept="all",
        changes=still,
        progress=lambda at, _: done.append(at),
    )
    assert done == []  # it was finished
    assert "start" in load_model(tmp_path / "new").provenance
    with pytest.raises(FileExistsError, match="holds one of other settings or data"):
        finetune(model, [tmp_path / "a"], out=tmp_path / "new", accept="all", changes=CHANGES)


@pytest.mark.slow
def test_training_on_with_corrections_improves_what_they_are_of(tmp_path):
    """A model that learned half of what there is: bright spots, but no dark ones."""
    rng = np.random.default_rng(0)
    truth = np.kron(rng.choice(3, (6, 8, 8), p=[0.6, 0.2, 0.2]), np.ones((1, 4, 4), int)).astype(np.uint8)
    volume = np.clip(np.array([120, 220, 30])[truth] + rng.normal(0, 8, truth.shape), 0, 255).astype(np.uint8)
    half = np.where(truth == 2, 0, truth).astype(np.uint8)
    settings = TrainSettings(
        classes=3, filters=8, levels=2, steps=60, batch_size=3, learning_rate=0.01, device="cpu"
    )
    model = train(volume[:3], settings, masks=half[:3], out=tmp_path / "half")
    suggestions = suggest(
        model,
        volume,
        out=tmp_path / "a",
        settings=SuggestSettings(boxes=3, size=(1, 16, 16)),
        sweep=SweepSettings(window=(32, 32)),
    )
    for each in suggestions:
        inside = tuple(slice(*ends) for ends in zip(each.box.lower, each.box.upper, strict=True))
        correct(tmp_path / "a", each.box, truth[inside])
    changes = {"steps": 60, "learning_rate": 0.005}
    tuned = finetune(model, [tmp_path / "a"], out=tmp_path / "new", accept="all", changes=changes)
    right = [float((predict(each, volume) == truth).mean()) for each in (model, tuned)]
    assert right[0] < 0.85
    assert right[1] > right[0] + 0.1
