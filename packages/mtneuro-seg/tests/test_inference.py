"""Prediction: padding, batches, and what is refused."""

import numpy as np
import pytest
import torch
from mtneuro_seg import Model, TrainSettings, build_network, predict, swept_labels
from mtneuro_seg.inference import most_probable


def untrained(**changes: object) -> Model:
    settings = TrainSettings.model_validate(
        {"model": "unet", "classes": 3, "filters": 4, "levels": 3, **changes}
    )
    names = tuple(str(label) for label in range(settings.classes))
    return Model(network=build_network(settings), settings=settings, class_names=names)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 13, 30), (1, 1, 5)])
def test_labels_have_the_shape_of_the_images(shape):
    model = untrained()
    labels = predict(model, images(*shape))
    assert labels.shape == shape
    assert labels.dtype == np.uint8
    assert labels.max() < 3


def test_padding_mirrors_at_the_far_end_and_is_cropped_again():
    model = untrained()
    given = images(2, 10, 12)
    padded = np.pad(given, ((0, 0), (0, 2), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(predict(model, given), predict(model, padded)[:, :10])


def test_a_3d_network_labels_subvolumes_of_any_depth():
    model = untrained(model="unet3d")
    assert predict(model, images(2, 5, 9, 12)).shape == (2, 5, 9, 12)


def test_every_image_is_labelled_alone():
    model = untrained()
    given = images(5, 16, 16)
    alone = np.concatenate([predict(model, given[i : i + 1], batch_size=1) for i in range(5)])
    np.testing.assert_array_equal(predict(model, given, batch_size=1), alone)


def test_progress_counts_images():
    seen: list[tuple[int, int]] = []
    predict(untrained(), images(5, 8, 8), batch_size=2, progress=lambda *done: seen.append(done))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_the_most_probable_class_is_that_of_argmax():
    logits = torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
    logits[0, 2] = logits[0, 1]
    assert torch.equal(most_probable(logits).long(), logits.argmax(dim=1))


def test_running_out_of_memory_names_the_setting(monkeypatch):
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate")

    model = untrained()
    monkeypatch.setattr(model.network, "forward", full)
    with pytest.raises(ValueError, match="must fit into memory, got: out of memory; lower batch_size"):
        predict(model, images(1, 8, 8))
    with pytest.raises(ValueError, match="lower batch_size or window"):
        swept_labels(model, images(1, 8, 8))


@pytest.mark.usefixtures("unchecked")
def test_wrong_types_and_axes_are_refused():
    model = untrained()
    with pytest.raises(ValueError, match="must be uint8, got float32 with values from nan to nan"):
        predict(model, np.full((2, 8, 8), np.nan, np.float32))
    with pytest.raises(ValueError, match=r"must have axes \(n, y, x\), got 2 axes"):
        predict(model, images(8, 8))
    with pytest.raises(ValueError, match="at least one pixel"):
        predict(model, images(0, 8, 8))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        predict(model, images(1, 8, 8), batch_size=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: predict("a folder", images(1, 8, 8)),
            r"model must be Model, as load_model.*, got str",
        ),
        (lambda: predict(untrained(), images(1, 8, 8).tolist()), "images must be a NumPy array, got list"),
        (
            lambda: predict(untrained(), images(1, 8, 8).astype(float)),
            "must be uint8, got float64 with values",
        ),
        (lambda: predict(untrained(), images(8, 8)), r"must have axes \(n, y, x\)"),
        (lambda: predict(untrained(), images(1, 8, 8), batch_size=0), "batch_size must be at least 1, got 0"),
        (
            lambda: predict(untrained(), images(1, 8, 8), device="tpux"),
            "device must be 'cpu', 'cuda' or 'mps', got 'tpux'",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_whatever_cannot_be_labelled_is_told_in_one_line(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("axes", ["unet", "unet3d"])
def test_a_window_makes_a_wide_image_the_grey_one(axes):
    shape = (3, 16, 16) if axes == "unet" else (2, 8, 16, 16)
    given = images(*shape)
    wide = given.astype(np.int32) * 10 - 300
    model = untrained(model=axes, intensity=(-300, 2250))
    np.testing.assert_array_equal(predict(model, wide), predict(model, given))
    if axes == "unet":
        np.testing.assert_array_equal(swept_labels(model, wide), swept_labels(model, given))
