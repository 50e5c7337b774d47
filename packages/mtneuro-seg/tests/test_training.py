"""Training: what it writes, that it resumes without a trace, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from mtneuro_seg import (
    Model,
    Network,
    TrainSettings,
    confusion_matrix,
    load_model,
    model_names,
    network,
    predict,
    register,
    scores,
    train,
)
from mtneuro_seg.registry import NETWORKS
from mtneuro_seg.training import _identity

TINY = {"model": "unet", "classes": 2, "filters": 4, "levels": 3, "epochs": 3, "batch_size": 4}


def tiny(**changes: object) -> TrainSettings:
    return TrainSettings.model_validate(TINY | changes)


def blobs(n: int = 8, size: tuple[int, ...] = (16, 16), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images whose bright half is class 1."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, *size), np.uint8)
    for mask in masks:
        edge = rng.integers(4, size[-1] - 4)
        mask[..., edge:] = 1
    noise = rng.normal(0, 20, masks.shape)
    return (110 + 60 * masks + noise).clip(0, 255).astype(np.uint8), masks


def state(model: Model) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def assert_bit_equal(one: Model, other: Model) -> None:
    first, second = state(one), state(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert one.history == other.history or str(one.history) == str(other.history)


class StopError(RuntimeError):
    """What a test interrupts a training with."""


def stop_at(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise StopError

    return progress


def test_a_network_learns_to_tell_bright_from_dark(tmp_path):
    images, masks = blobs()
    model = train(
        images,
        tiny(epochs=30, learning_rate=0.02),
        masks=masks,
        out=tmp_path / "model",
        validation=blobs(4, seed=1),
    )
    fresh, truth = blobs(4, seed=2)
    result = scores(confusion_matrix(truth, predict(model, fresh), classes=2))
    assert result.mean_iou > 0.9
    assert model.history[-1]["val_iou"] > 0.9
    assert model.history[-1]["loss"] < model.history[0]["loss"]


def test_the_folder_holds_weights_config_and_history_and_nothing_else(tmp_path):
    images, masks = blobs()
    model = train(images, tiny(), masks=masks, out=tmp_path / "model", class_names=["dark", "bright"])
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["README.md", "config.json", "history.csv", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["format_version"], config["kind"]) == (1, "mtneuro-seg model")
    card = (tmp_path / "model" / "README.md").read_text()
    assert "0 dark, 1 bright" in card
    assert "images: 8 x 16 x 16 uint8, digest `" in card
    loaded = load_model(tmp_path / "model")
    assert loaded.class_names == ("dark", "bright")
    assert loaded.settings == model.settings
    assert [row["step"] for row in loaded.history] == [2, 4, 6]
    np.testing.assert_array_equal(predict(loaded, images), predict(model, images))


def test_a_crop_trains_on_windows_and_labels_whole_images(tmp_path):
    images, masks = blobs(6)
    assert images.shape[1:] == (16, 16)
    seen: list[tuple[int, ...]] = []
    whole = train(images, tiny(), masks=masks, out=tmp_path / "whole")
    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, given: (
            seen.append(tuple(given[0].shape)) if type(module).__name__ == "PlainUNet" else None
        )
    )
    try:
        model = train(images, tiny(crop=(8, 8)), masks=masks, out=tmp_path / "cropped")
    finally:
        hook.remove()
    assert {size[-2:] for size in seen} == {(8, 8)}
    assert predict(model, images).shape == images.shape
    assert whole.settings.model_dump(exclude={"crop"}) == model.settings.model_dump(exclude={"crop"})


@pytest.mark.parametrize(
    ("crop", "why"),
    [
        ((32, 8), "crop must lie within the images, 16 x 16, got 32 x 8"),
        ((8, 6), "crop for 'unet' must be multiples"),
    ],
)
def test_a_crop_that_does_not_fit_is_refused_before_training(tmp_path, crop, why):
    images, masks = blobs(3)
    with pytest.raises(ValueError, match=why):
        train(images, tiny(crop=crop), masks=masks, out=tmp_path / "model")
    with pytest.raises(ValueError, match=r"crop must have the 2 axes of 'unet', got .1, 8, 8."):
        tiny(crop=(1, 8, 8))


@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(tmp_path, stop):
    images, masks = blobs(10)
    settings = tiny(checkpoint_every=1, augment=True, crop=(8, 8))
    validation = blobs(3, seed=1)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole", validation=validation)
    with pytest.raises(StopError):
        train(
            images,
            settings,
            masks=masks,
            out=tmp_path / "resumed",
            validation=validation,
            progress=stop_at(stop),
        )
    steps: list[int] = []
    resumed = train(
        images,
        settings,
        masks=masks,
        out=tmp_path / "resumed",
        validation=validation,
        progress=lambda done, _: steps.append(done),
    )
    assert steps[0] == stop + 1
    assert_bit_equal(whole, resumed)


def test_transforms_resume_too_and_change_what_is_learnt(tmp_path):
    images, masks = blobs(6)
    chosen = {"rotation": 20, "distortion": 0.2, "noise": 0.02}
    settings = tiny(checkpoint_every=1, transforms=chosen)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole")
    with pytest.raises(StopError):
        train(images, settings, masks=masks, out=tmp_path / "resumed", progress=stop_at(2))
    assert_bit_equal(whole, train(images, settings, masks=masks, out=tmp_path / "resumed"))
    plain = train(images, tiny(), masks=masks, out=tmp_path / "plain")
    assert [row["loss"] for row in plain.history] != [row["loss"] for row in whole.history]


def test_dropout_resumes_too(tmp_path):
    images, masks = blobs(4, (8, 16, 16))
    settings = tiny(model="vnetlight", steps=3, batch_size=2, checkpoint_every=1)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole")
    with pytest.raises(StopError):
        train(images, settings, masks=masks, out=tmp_path / "resumed", progress=stop_at(1))
    assert_bit_equal(whole, train(images, settings, masks=masks, out=tmp_path / "resumed"))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals of POSIX")
def test_a_killed_run_resumes_bit_equal(tmp_path):
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_training import blobs, tiny
from mtneuro_seg import train

def kill(done, total):
    if done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

images, masks = blobs()
train(images, tiny(checkpoint_every=1), masks=masks, out={str(tmp_path / "killed")!r}, progress=kill)
"""
    child = subprocess.run(
        [sys.executable, "-c", script], check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    images, masks = blobs()
    settings = tiny(checkpoint_every=1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        resumed = train(images, settings, masks=masks, out=tmp_path / "killed")
        whole = train(images, settings, masks=masks, out=tmp_path / "whole")
    finally:
        torch.set_num_threads(threads)
    assert_bit_equal(whole, resumed)


def test_a_training_starts_from_a_models_weights_and_resumes(tmp_path):
    images, masks = blobs()
    first = train(images, tiny(epochs=1), masks=masks, out=tmp_path / "first")
    before = {name: value.clone() for name, value in state(first).items()}
    whole = train(images, tiny(), masks=masks, out=tmp_path / "whole", start=first)
    with pytest.raises(StopError):
        train(images, tiny(), masks=masks, out=tmp_path / "parts", start=first, progress=stop_at(3))
    parts = train(images, tiny(), masks=masks, out=tmp_path / "parts", start=first)
    assert_bit_equal(parts, whole)
    assert all(torch.equal(value, before[name]) for name, value in state(first).items())
    # Other weights to start from are another run, and none to start from is the run that it was before.
    with pytest.raises(FileExistsError, match="other settings or data"):
        train(images, tiny(), masks=masks, out=tmp_path / "whole", start=parts)
    with pytest.raises(FileExistsError, match="other settings or data"):
        train(images, tiny(), masks=masks, out=tmp_path / "whole")
    assert "start" not in first.provenance


def test_a_run_that_starts_from_the_seed_is_named_as_before():
    assert _identity(tiny(), ("none", "bright"), {}, start=None) == "d70bf5965c78e316"


def test_a_finished_run_is_not_repeated_and_another_one_is(tmp_path):
    images, masks = blobs()
    first = train(images, tiny(), masks=masks, out=tmp_path / "model")
    steps: list[int] = []

    def count(done: int, total: int) -> None:
        steps.append(done)

    again = train(images, tiny(checkpoint_every=7), masks=masks, out=tmp_path / "model", progress=count)
    assert not steps
    assert_bit_equal(first, again)
    with pytest.raises(FileExistsError, match=r"one of other settings or data; --force \(replace=True\)"):
        train(images, tiny(seed=5), masks=masks, out=tmp_path / "model", progress=count)
    assert not steps
    settings, where = tiny(seed=5), tmp_path / "model"
    other = train(images, settings, masks=masks, out=where, replace=True, progress=count)
    assert len(steps) == 6
    assert load_model(tmp_path / "model").settings == other.settings
    darker = images // 2
    train(darker, settings, masks=masks, out=where, replace=True, progress=count)
    assert len(steps) == 12


def test_a_last_batch_of_one_image_is_dropped(tmp_path):
    images, masks = blobs(9)
    model = train(images, tiny(epochs=1), masks=masks, out=tmp_path / "model")
    assert model.history[-1]["step"] == 2


def test_both_optimisers_and_bf16_train(tmp_path):
    images, masks = blobs()
    for changes in ({"optimiser": "sgd"}, {"precision": "bf16-mixed"}):
        model = train(images, tiny(steps=2, **changes), masks=masks, out=tmp_path / next(iter(changes)))
        assert np.isfinite(model.history[-1]["loss"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 3, "model": "fpn", "encoder_weights": None}, "multiples of 32 x 32"),
        ({"model": "deeplabv3plus", "encoder_weights": None, "batch_size": 1}, "at least 2 images at once"),
        ({"batch_size": 1, "levels": 5}, "at least 32 high and wide"),
        ({"model": "unet3d"}, r"must have axes \(n, z, y, x\), got 3 axes"),
        ({"device": "cuda"}, "device 'cuda' needs a CUDA GPU"),
        ({"precision": "16-mixed"}, "precision must be"),
    ],
)
def test_what_a_network_cannot_take_is_refused_before_training(tmp_path, changes, message):
    if changes.get("device") == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    images, masks = blobs(size=(16, 48) if changes.get("model") == "fpn" else (16, 16))
    with pytest.raises(ValueError, match=message):
        train(images, tiny(**changes), masks=masks, out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_wrong_size_names_the_nearest_that_is_taken(tmp_path):
    images, masks = blobs(size=(18, 16))
    with pytest.raises(ValueError, match="got 18 x 16; the nearest that it takes: 16 x 16 or 20 x 16"):
        train(images, tiny(), masks=masks, out=tmp_path / "model")


def test_3d_training_in_bf16_on_a_cpu_is_refused(tmp_path):
    images, masks = blobs(2, (8, 16, 16))
    settings = tiny(model="unet3d", precision="bf16-mixed", device="cpu")
    with pytest.raises(ValueError, match="can crash the process"):
        train(images, settings, masks=masks, out=tmp_path / "model")


def test_labels_that_do_not_fit_are_refused(tmp_path):
    images, masks = blobs()
    with pytest.raises(ValueError, match=r"masks must hold labels in \[0, 2\), got 5"):
        train(images, tiny(), masks=masks * 5, out=tmp_path / "model")
    with pytest.raises(ValueError, match="class_names must name all 2 classes, got 3"):
        train(images, tiny(), masks=masks, out=tmp_path / "model", class_names=["a", "b", "c"])
    with pytest.raises(ValueError, match="validation masks must hold"):
        train(images, tiny(), masks=masks, out=tmp_path / "model", validation=(images, masks + 1))


@pytest.mark.usefixtures("unchecked")
def test_arrays_of_other_types_and_shapes_are_refused(tmp_path):
    images, masks = blobs()
    wrong = (
        (images.astype(complex), masks, "images must be numbers"),
        (images[:0], masks[:0], "at least one pixel"),
        (images, masks[:4], "masks must have the images' shape"),
        (images, masks.astype(float), "masks must be an array of integers"),
    )
    for given, labels, message in wrong:
        with pytest.raises(ValueError, match=message):
            train(given, tiny(), masks=labels, out=tmp_path / "model")
    with pytest.raises(TypeError, match="NumPy array"):
        train(images.tolist(), tiny(), masks=masks, out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


PLAIN = np.random.default_rng(0).integers(0, 256, (4, 16, 16), dtype=np.uint8)
MASKS = PLAIN // 128
WRONG: dict[str, tuple[object, object, dict[str, Any], str]] = {
    "no images": (None, MASKS, {}, "images must be a NumPy array, got NoneType"),
    "a tensor": (torch.zeros(4, 16, 16), MASKS, {}, "images must be a NumPy array, got Tensor"),
    "complex numbers": (PLAIN.astype(complex), MASKS, {}, "images must be .*, got complex128"),
    "one image": (PLAIN[0], MASKS[0], {}, r"must have axes \(n, y, x\), got 2 axes of shape \(16, 16\)"),
    "a list of masks": (PLAIN, MASKS.tolist(), {}, "masks must be an array of integers, .*, got list"),
    "true and false": (PLAIN, MASKS > 0, {}, r"masks must be an array .*, got bool: .*astype\(numpy.uint8\)"),
    "other labels": (PLAIN, MASKS * 7, {}, r"labels in \[0, 2\), got 7 in .*; set classes to fit"),
    "below 0": (PLAIN, -MASKS.astype(int), {}, r"labels in \[0, 2\), got -1"),
    "no label": (
        PLAIN,
        np.full_like(MASKS, 9),
        {"settings": {"ignore_label": 9}},
        "must hold a labelled pixel, got ignore_label 9 everywhere",
    ),
    "other settings": (PLAIN, MASKS, {"settings": None}, "settings must be TrainSettings, got NoneType"),
    "one validation array": (
        PLAIN,
        MASKS,
        {"validation": PLAIN},
        "validation must be images and their masks",
    ),
    "three": (PLAIN, MASKS, {"validation": (PLAIN, MASKS, 3)}, "validation must be .*, got a tuple of 3"),
    "no validation masks": (PLAIN, MASKS, {"validation": (PLAIN, None)}, "validation masks must be an array"),
    "another device": (
        PLAIN,
        MASKS,
        {"device": "tpu"},
        "device must be 'auto', 'cpu', 'cuda' or 'mps', got 'tpu'",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.usefixtures("unchecked")
def test_whatever_is_wrong_is_told_in_one_line_before_any_work(tmp_path, wrong):
    images, masks, more, message = WRONG[wrong]
    changes = more.get("settings", {})
    settings: Any = None if changes is None else tiny(**changes)
    if "device" in more:
        settings = settings.model_copy(update={"device": more["device"]})
    given: Any = {"masks": masks, "validation": more.get("validation")}
    with pytest.raises((ValueError, TypeError), match=message) as refusal:
        train(cast("Any", images), settings, out=tmp_path / "model", **given)
    assert "\n" not in str(refusal.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "form",
    [
        lambda a: a[:, ::-1, ::-1],
        lambda a: np.repeat(a, 2, axis=2)[..., ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    ],
    ids=["mirrored", "strided", "columns first", "read only"],
)
def test_the_form_of_an_array_does_not_matter(tmp_path, form):
    found = []
    for name, change in (("one", lambda a: a), ("two", lambda a: np.array(a, order="C"))):
        images, masks = change(form(PLAIN)), change(form(MASKS))
        model = train(images, tiny(steps=1), masks=masks, validation=(images, masks), out=tmp_path / name)
        found.append(predict(model, images))
    np.testing.assert_array_equal(*found)


def test_a_folder_of_something_else_is_not_overwritten(tmp_path):
    images, masks = blobs()
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("one")
    with pytest.raises(FileExistsError, match="must be a new folder or one that holds a model"):
        train(images, tiny(), masks=masks, out=tmp_path / "thesis")


def test_a_training_that_meets_a_full_disk_goes_on_from_its_resume_point(tmp_path, fill):
    images, masks = blobs()
    settings = tiny(checkpoint_every=1)

    def filling(done: int, total: int) -> None:
        if done == 3:
            fill(1000)

    with pytest.raises(OSError, match="no file may grow that large here"):
        train(images, settings, masks=masks, out=tmp_path / "model", progress=filling)
    fill(float("inf"))
    partial = tmp_path / "model.partial"
    assert sorted(path.name for path in partial.iterdir()) == ["resume.ckpt", "run.json"]
    steps: list[int] = []
    resumed = train(
        images, settings, masks=masks, out=tmp_path / "model", progress=lambda done, _: steps.append(done)
    )
    assert steps == [4, 5, 6]
    assert_bit_equal(resumed, train(images, settings, masks=masks, out=tmp_path / "whole"))


def test_a_disk_that_is_full_when_the_model_is_written_loses_no_step(tmp_path, fill):
    images, masks = blobs()
    partial = tmp_path / "model.partial"

    def filling(done: int, total: int) -> None:
        if done == total:
            # The weights are smaller than the resume point, but larger than this.
            fill(1000)

    with pytest.raises(OSError, match="run the same command again"):
        train(images, tiny(), masks=masks, out=tmp_path / "model", progress=filling)
    fill(float("inf"))
    assert (partial / "resume.ckpt").is_file()
    steps: list[int] = []
    train(images, tiny(), masks=masks, out=tmp_path / "model", progress=lambda done, _: steps.append(done))
    assert not steps
    assert load_model(tmp_path / "model").history[-1]["step"] == 6


def test_a_real_labelled_cutout_is_learned_a_little(tmp_path, real_data):
    with np.load(real_data / "dyer2017" / "v2.npz") as held:
        image, label = held["image"], held["label"].astype(np.uint8)
    settings = tiny(classes=3, epochs=6, filters=8, learning_rate=0.005)
    train_part, test_part = np.s_[0:64:2, :128, :128], np.s_[80:100:5, :128, :128]
    model = train(image[train_part], settings, masks=label[train_part], out=tmp_path / "model")
    result = scores(confusion_matrix(label[test_part], predict(model, image[test_part]), classes=3))
    assert result.iou[0] > 0.5
    assert result.iou[2] > 0.2


@pytest.mark.parametrize("loss", ["dice", "dice_cross_entropy", "focal"])
def test_every_loss_learns(tmp_path, loss):
    images, masks = blobs()
    settings = tiny(epochs=20, learning_rate=0.02, loss=loss, class_weights="balanced")
    model = train(images, settings, masks=masks, out=tmp_path / "model")
    assert scores(confusion_matrix(masks, predict(model, images), classes=2)).mean_iou > 0.8


def test_pixels_without_a_label_do_not_count(tmp_path):
    images, masks = blobs()
    sparse = np.full_like(masks, 255)
    sparse[:, ::4] = masks[:, ::4]
    settings = tiny(epochs=30, learning_rate=0.02, ignore_label=255)
    model = train(images, settings, masks=sparse, out=tmp_path / "model", validation=(images, sparse))
    assert scores(confusion_matrix(masks, predict(model, images), classes=2)).mean_iou > 0.8
    with pytest.raises(ValueError, match="must hold a labelled pixel, got ignore_label 255 everywhere"):
        train(images, settings, masks=np.full_like(masks, 255), out=tmp_path / "none")


def test_accumulation_trains_and_resumes(tmp_path):
    images, masks = blobs()
    settings = tiny(accumulate=2, checkpoint_every=1)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole")
    assert whole.history[-1]["step"] == 6
    with pytest.raises(StopError):
        train(images, settings, masks=masks, out=tmp_path / "resumed", progress=stop_at(3))
    assert_bit_equal(whole, train(images, settings, masks=masks, out=tmp_path / "resumed"))


def best_and_early(tmp_path: Path, name: str, stop: int | None = None) -> Model:
    images, masks = blobs()
    # A rate at which the validation score rises and falls.
    settings = tiny(epochs=40, learning_rate=0.05, keep="best", patience=4, checkpoint_every=1)
    return train(
        images,
        settings,
        masks=masks,
        out=tmp_path / name,
        validation=blobs(4, seed=1),
        progress=stop_at(stop) if stop else None,
    )


def test_the_best_epoch_is_kept_and_training_stops_early(tmp_path):
    model = best_and_early(tmp_path, "model")
    ious = [row["val_iou"] for row in model.history]
    assert len(ious) < 40
    assert len(ious) - 1 - int(np.argmax(ious)) == 4
    images, masks = blobs(4, seed=1)
    found = scores(confusion_matrix(masks, predict(model, images), classes=2)).mean_iou
    assert found == pytest.approx(max(ious))
    assert not list(tmp_path.glob("*/best*"))


def test_early_stopping_resumes_too(tmp_path):
    whole = best_and_early(tmp_path, "whole")
    last = int(whole.history[-1]["step"])
    for stop in (5, last):
        with pytest.raises(StopError):
            best_and_early(tmp_path, f"stopped-{stop}", stop)
        assert_bit_equal(whole, best_and_early(tmp_path, f"stopped-{stop}"))


def test_what_needs_validation_images_says_so(tmp_path):
    images, masks = blobs()
    for changes in ({"keep": "best"}, {"patience": 3}):
        with pytest.raises(ValueError, match="validation images must be given"):
            train(images, tiny(**changes), masks=masks, out=tmp_path / "model")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc and limits memory as Linux does")
@pytest.mark.slow
def test_a_machine_without_enough_memory_is_told_what_to_lower(tmp_path):
    """The limit of memory binds a child, whose network asks for more than there is."""
    script = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_training import blobs, tiny, train

images, masks = blobs(16, (256, 256))
# Once with room, so that all is loaded.
train(images[:4, :16, :16], tiny(steps=1), masks=masks[:4, :16, :16], out={str(tmp_path / "room")!r})
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, resource.RLIM_INFINITY))
try:
    train(images, tiny(batch_size=16, filters=64), masks=masks, out={str(tmp_path / "model")!r})
except ValueError as error:
    print(error)
"""
    child = subprocess.run(
        [sys.executable, "-c", script], check=True, text=True, capture_output=True, env=dict(os.environ)
    )
    assert child.stdout.startswith(
        "training must fit into memory, got: out of memory; lower batch_size, raise"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked")
def test_a_compiled_training_resumes_bit_equal_and_learns_what_a_plain_one_does(tmp_path):
    # Ten images: the last batch of an epoch holds two and goes without.
    images, masks = blobs(10)
    settings = tiny(compile=True, checkpoint_every=1, deterministic=True, epochs=2)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole", validation=blobs(3, seed=1))
    with pytest.raises(StopError):
        train(
            images,
            settings,
            masks=masks,
            out=tmp_path / "resumed",
            validation=blobs(3, seed=1),
            progress=stop_at(2),
        )
    resumed = train(images, settings, masks=masks, out=tmp_path / "resumed", validation=blobs(3, seed=1))
    assert_bit_equal(whole, resumed)
    plain = train(
        images,
        tiny(deterministic=True, epochs=2),
        masks=masks,
        out=tmp_path / "plain",
        validation=blobs(3, seed=1),
    )
    assert whole.history[0]["loss"] == pytest.approx(plain.history[0]["loss"], rel=1e-3)
    assert load_model(tmp_path / "whole").settings.compile
    np.testing.assert_array_equal(predict(load_model(tmp_path / "whole"), images), predict(whole, images))


@pytest.mark.usefixtures("unchecked")
def test_a_network_that_cannot_be_compiled_is_told_in_one_line(tmp_path):
    from torch._inductor import config as inductor

    images, masks = blobs()
    without_compiler = inductor.patch({"cpp.cxx": ("no-such-compiler",)})
    refused = pytest.raises(
        ValueError, match=r"must compile where compile is set, got: .*; set compile=false"
    )
    with without_compiler, refused:
        train(images, tiny(compile=True, steps=1), masks=masks, out=tmp_path / "model")


def own_network(*, classes: int) -> torch.nn.Module:
    """Return a network as a user would write one."""
    return torch.nn.Conv2d(1, classes, 3, padding=1)


def wrong_network(*, classes: int) -> torch.nn.Module:
    """Return a network that halves its images."""
    return torch.nn.Conv2d(1, classes, 3, padding=1, stride=2)


def test_a_network_of_ones_own_trains_saves_and_loads(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    images, masks = blobs()
    settings = tiny(model="test_training:own_network", epochs=20, learning_rate=0.05)
    model = train(images, settings, masks=masks, out=tmp_path / "model")
    assert isinstance(model.network, torch.nn.Conv2d)
    loaded = load_model(tmp_path / "model", trusted=["test_training:own_network"])
    np.testing.assert_array_equal(predict(loaded, images), predict(model, images))
    assert scores(confusion_matrix(masks, predict(model, images), classes=2)).mean_iou > 0.6
    assert_bit_equal(model, train(images, settings, masks=masks, out=tmp_path / "model"))


def registered_network(settings: TrainSettings) -> torch.nn.Module:
    """Return a network as one in the registry is made: from the settings."""
    return torch.nn.Conv2d(1, settings.classes, 2 * settings.levels + 1, padding=settings.levels)


def test_a_registered_network_is_known_by_its_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setattr("mtneuro_seg.registry.NETWORKS", dict(NETWORKS))
    factory = "test_training:registered_network"
    register(
        Network(name="mine", title="Mine", axes=2, family="ours", paper="none", factory=factory, multiple=1)
    )
    assert "mine" in model_names()
    images, masks = blobs(size=(13, 17))
    train(images, tiny(model="mine", steps=2), masks=masks, out=tmp_path / "model")
    assert predict(load_model(tmp_path / "model"), images).shape == images.shape


def test_a_network_of_ones_own_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    images, masks = blobs()
    wrong = {
        "test_training:no_such_thing": "must name something that can be imported",
        "no_such_module:thing": "must name something that can be imported",
        "test_training:wrong_network": r"scores of shape \(2, 2, 16, 16\), got \(2, 2, 8, 8\)",
        "builtins:dict": "must return a torch.nn.Module, got dict",
    }
    for name, message in wrong.items():
        with pytest.raises(ValueError, match=message):
            train(images, tiny(model=name), masks=masks, out=tmp_path / "model")
    with pytest.raises(ValueError, match=r"named as package\.module:factory"):
        tiny(model="a b:c")


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 4])
@pytest.mark.parametrize("name", model_names())
def test_every_network_resumes_bit_equal_and_predicts(tmp_path, name, classes):
    encoder = {"encoder_name": "resnet18", "encoder_weights": None} if network(name).encoder else {}
    asked = {
        "model": name,
        "classes": classes,
        "epochs": 1,
        "batch_size": 2,
        "deterministic": True,
        **encoder,
    }
    settings = TrainSettings.model_validate(asked | {"checkpoint_every": 1, "filters": 4, "levels": 3})
    size = settings.size_rule.padded((8, 32, 32)[-settings.network.axes :])
    images, _ = blobs(4, size)
    masks = (images // (256 // classes + 1)).astype(np.uint8)
    whole = train(images, settings, masks=masks, out=tmp_path / "whole")
    with pytest.raises(StopError):
        train(images, settings, masks=masks, out=tmp_path / "resumed", progress=stop_at(1))
    resumed = train(images, settings, masks=masks, out=tmp_path / "resumed")
    assert_bit_equal(whole, resumed)
    labels = predict(load_model(tmp_path / "resumed"), images[:1])
    assert labels.max() < classes


@pytest.mark.parametrize("name", ["uint8", "uint16", "float32", "int16"])
def test_a_network_learns_from_images_of_any_type_normalised_by_their_own_mean_and_spread(name, tmp_path):
    grey, masks = blobs()
    images = {
        "uint8": grey,
        "uint16": grey.astype(np.uint16) * 10,
        "float32": (grey / 300).astype(np.float32),
        "int16": grey - np.int16(100),
    }[name]
    before = images.copy()
    model = train(images, tiny(epochs=1), masks=masks, validation=(images, masks), out=tmp_path / "model")
    np.testing.assert_array_equal(images, before)
    whole = {"uint8": 255, "uint16": 65535, "int16": 32767}.get(name, 1)
    told = json.loads((tmp_path / "model" / "config.json").read_text())["settings"]
    assert (told["normalisation"], told["image_type"]) == ("data", name)
    assert told["mean"] == pytest.approx((images / whole).mean(), rel=1e-5)
    assert told["sd"] == pytest.approx((images / whole).std(), rel=1e-5)
    labels = predict(load_model(tmp_path / "model"), images)
    plain = train(grey, tiny(epochs=1), masks=masks, validation=(grey, masks), out=tmp_path / "plain")
    assert (labels == predict(plain, grey)).mean() > 0.99
    if name != "uint8":
        with pytest.raises(ValueError, match=f"must be {name}, as the model was trained on, got uint8"):
            predict(model, grey)


def test_given_mean_and_spread_are_used_as_they_are_and_name_the_run_as_before(tmp_path):
    images, masks = blobs()
    given = train(images, tiny(epochs=1, mean=0.5, sd=0.25), masks=masks, out=tmp_path / "given")
    assert (given.settings.normalisation, given.settings.mean, given.settings.sd) == ("given", 0.5, 0.25)
    old = train(images, tiny(epochs=1, normalisation="given"), masks=masks, out=tmp_path / "benchmark")
    assert (old.settings.mean, old.settings.sd) == (0.4894, 0.1238)
    ours = train(images, tiny(epochs=1), masks=masks, out=tmp_path / "data")
    assert len({model.provenance["digest"] for model in (given, old, ours)}) == 3


def test_a_model_remembers_the_window_that_it_was_trained_with(tmp_path):
    grey, masks = blobs()
    wide = grey.astype(np.uint16) * 10
    model = train(wide, tiny(epochs=1, intensity=(0, 2550)), masks=masks, out=tmp_path / "wide")
    plain = train(grey, tiny(epochs=1), masks=masks, out=tmp_path / "grey")
    assert_bit_equal(model, plain)
    np.testing.assert_array_equal(predict(load_model(tmp_path / "wide"), wide), predict(plain, grey))
    with pytest.raises(ValueError, match=r"must be uint8, got float64 .* --intensity"):
        predict(model, wide / 2550)


def test_a_macs_gpu_trains_in_full_precision_uncompiled(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    images, masks = blobs()
    for changes, told in (
        ({"precision": "bf16-mixed"}, "precision must be '32-true' on device 'mps', got 'bf16-mixed'"),
        ({"compile": True}, "compile must be false on device 'mps'"),
    ):
        with pytest.raises(ValueError, match=told):
            train(images, tiny(device="mps", **changes), masks=masks, out=tmp_path / "model")
    assert not list(tmp_path.iterdir())
