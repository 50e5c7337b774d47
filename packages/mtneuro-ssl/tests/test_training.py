import csv
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, load_model, method_names, train, untrained
from mtneuro_ssl._shared.terminal import Ranges
from mtneuro_ssl.files import open_images
from mtneuro_ssl.registry import METHODS
from mtneuro_ssl.training import new_method, run_digest
from safetensors.numpy import load_file
from torch import Tensor

TINY = "tiny_lab:encoder"
TRAINED = [name for name, entry in METHODS.items() if entry.family in ("supervised", "self-supervised")]


SMALL_VIT = {
    "encoder": "vit",
    "vit": {"patch": 2, "patch_depth": 2, "width": 24, "layers": 1, "heads": 2},
    "mae": {"decoder_width": 12, "decoder_layers": 1, "decoder_heads": 2},
}
"""A transformer for the method that trains no other encoder."""


def small(method: str, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": method,
        "batch_size": 4,
        "steps": 4,
        "hidden": 16,
        "prototypes": 20,
        "projection": 8,
        "encoder": TINY,
        "latent_dim": 8,
        "components": 5,
        "checkpoint_every": 9,
        "device": "cpu",
    }
    return TrainSettings.model_validate(values | changes | (SMALL_VIT if method == "mae" else {}))


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 16, 20), dtype=np.uint8)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.arange(12, dtype=np.int64) % 3


def history_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


class Interrupted(Exception):
    pass


def stop_after(step: int):
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Interrupted

    return progress


@pytest.mark.parametrize("method", method_names())
def test_a_trained_model_is_the_one_in_its_folder(method, images, labels, tmp_path):
    model = train(images, small(method), labels=labels, out=tmp_path / "model")
    embeddings = model.embed(images)
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (12, model.dim)
    np.testing.assert_array_equal(load_model(tmp_path / "model", trusted=[TINY]).embed(images), embeddings)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.fixture(scope="module")
def subvolumes() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 4, 16, 20), dtype=np.uint8)


TINY_3D = "tiny_lab:encoder_3d"


@pytest.mark.parametrize("method", method_names())
def test_every_method_learns_from_subvolumes(method, subvolumes, labels, tmp_path):
    settings = small(method, encoder=TINY_3D, depth=4)
    model = train(subvolumes, settings, labels=labels, out=tmp_path / "model")
    embeddings = model.embed(subvolumes)
    assert embeddings.shape == (12, model.dim)
    loaded = load_model(tmp_path / "model", trusted=[TINY_3D])
    np.testing.assert_array_equal(loaded.embed(subvolumes), embeddings)
    assert loaded.settings.depth == 4
    assert "uint8 (n, z, y, x), subvolumes of 4 slices" in (tmp_path / "model" / "README.md").read_text()
    if method.startswith("supervised"):
        assert set(model.predict(subvolumes).tolist()) <= {0, 1, 2}


@pytest.mark.parametrize("method", ["byol", "pca"])
def test_an_array_of_subvolumes_needs_no_depth_in_the_settings(method, subvolumes, tmp_path):
    settings = small(method, encoder=TINY_3D)
    assert "depth" not in settings.model_dump()
    found = train(subvolumes, settings, out=tmp_path / "found")
    named = train(subvolumes, small(method, encoder=TINY_3D, depth=4), out=tmp_path / "named")
    assert found.fingerprint() == named.fingerprint()
    digests = [run_digest(subvolumes, model.settings) for model in (found, named)]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("method", "encoder"),
    [
        *((method, TINY_3D) for method in ("supervised+mixup", "byol", "myow", "myow-m", "mae")),
        pytest.param("byol", "resnet18", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_on_subvolumes_ends_bit_equal(method, encoder, subvolumes, labels, tmp_path):
    whole = small(method, encoder=encoder, steps=4, views={"crop_depth": 0.7, "flip": 0.5})
    train(subvolumes, whole, labels=labels, out=tmp_path / "whole")
    parts = whole.model_copy(update={"checkpoint_every": 0})
    with pytest.raises(Interrupted):
        train(subvolumes, parts, labels=labels, out=tmp_path / "parts", progress=stop_after(2))
    done: list[int] = []
    train(
        subvolumes, parts, labels=labels, out=tmp_path / "parts", progress=lambda step, _: done.append(step)
    )
    assert done == [3, 4]
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_pca_of_subvolumes_is_that_of_all_their_pixels(subvolumes, tmp_path):
    model = train(subvolumes, small("pca", components=3), out=tmp_path / "model")
    corners = subvolumes[:, :, :8, :10].reshape(12, -1) / 255
    crops = np.concatenate(
        [subvolumes[:, :, y : y + 8, x : x + 10].reshape(12, -1) for y in (0, 8) for x in (0, 10)]
    )
    centred = crops / 255 - (crops / 255).mean(axis=0)
    basis = np.linalg.svd(centred, full_matrices=False)[2][:3]
    expected = (corners - (crops / 255).mean(axis=0)) @ basis.T
    found = model.embed(subvolumes[:, :, :8, :10])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
    with pytest.raises(ValueError, match=r"crops of 4 x 8 x 10 pixels, .*, got 2 x 8 x 10"):
        model.embed(subvolumes[:, :2, :8, :10])


@pytest.mark.parametrize("method", ["byol", "myow", "myow-m"])
def test_images_of_one_region_are_learnt_from_as_without_labels(method, images, tmp_path):
    settings = small(method, monitor_neighbours=2)
    one_region = np.zeros(12, np.int64)
    with_region = train(images, settings, labels=one_region, out=tmp_path / "one", class_names=["neuropil"])
    without = train(images, settings, out=tmp_path / "none")
    np.testing.assert_array_equal(with_region.embed(images), without.embed(images))


def test_a_part_of_a_mapped_file_is_copied_into_memory_of_its_own(images, tmp_path):
    np.save(tmp_path / "a.npy", images)
    part = open_images(tmp_path / "a.npy", ranges=Ranges(y="0:16", x="0:16")).images
    kept = new_method(part, small("byol").resolved()).images
    assert isinstance(kept, Tensor)
    np.testing.assert_array_equal(kept.numpy(), images[:, :, :16])  # a warning of torch would be an error


def test_the_history_has_a_row_for_each_step(images, labels, tmp_path):
    train(images, small("supervised"), labels=labels, out=tmp_path / "model")
    rows = history_of(tmp_path / "model")
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert [int(row["epoch"]) for row in rows] == [1, 1, 1, 2]
    assert list(rows[0]) == ["step", "epoch", "loss", "accuracy", "learning_rate"]
    assert {float(row["learning_rate"]) for row in rows} == {0.03}


@pytest.mark.parametrize(
    ("method", "encoder"),
    [
        *((method, TINY) for method in TRAINED),
        pytest.param("byol", "resnet18", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_bit_equal_to_an_uninterrupted_one(method, encoder, images, labels, tmp_path):
    settings = small(method, encoder=encoder, steps=5, checkpoint_every=0)
    train(images, small(method, encoder=encoder, steps=5), labels=labels, out=tmp_path / "whole")
    for step in (2, 4):
        with pytest.raises(Interrupted):
            train(images, settings, labels=labels, out=tmp_path / "parts", progress=stop_after(step))
    done: list[int] = []
    train(images, settings, labels=labels, out=tmp_path / "parts", progress=lambda step, _: done.append(step))
    assert done == [5]
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("method", TRAINED)
def test_bf16_leaves_the_weights_in_single_precision_and_near_to_where_they_were(
    method, images, labels, tmp_path
):
    whole, half = (
        train(images, small(method, precision=precision), labels=labels, out=tmp_path / precision)
        for precision in ("32-true", "bf16-mixed")
    )
    weights = load_file(tmp_path / "bf16-mixed" / "model.safetensors")
    assert {part.dtype for part in weights.values()} <= {np.dtype(np.float32), np.dtype(np.int64)}
    a, b = whole.embed(images), half.embed(images)
    assert np.abs(a - b).max() > 0
    assert np.linalg.norm(a - b) < 0.1 * np.linalg.norm(a)


def test_an_interrupted_run_of_another_method_is_not_thrown_away(images, tmp_path):
    with pytest.raises(Interrupted):
        train(images, small("byol", checkpoint_every=0), out=tmp_path / "model", progress=stop_after(2))
    before = (tmp_path / "model.partial" / "checkpoint.ckpt").read_bytes()
    with pytest.raises(
        FileExistsError, match=r"model.partial holds an interrupted run of 'byol', not 'myow'"
    ):
        train(images, small("myow"), out=tmp_path / "model")
    assert (tmp_path / "model.partial" / "checkpoint.ckpt").read_bytes() == before


def test_another_model_is_replaced_only_where_that_is_asked_for(images, tmp_path):
    train(images, small("pca"), out=tmp_path / "model")
    for other in (small("byol", steps=1), small("pca", seed=2)):
        with pytest.raises(FileExistsError, match=r"one of other settings or data; --force \(replace=True\)"):
            train(images, other, out=tmp_path / "model")
    assert load_model(tmp_path / "model", trusted=[TINY]).settings.method == "pca"
    assert not (tmp_path / "model.partial").exists()
    train(images, small("byol", steps=1), out=tmp_path / "model", replace=True)
    assert load_model(tmp_path / "model", trusted=[TINY]).settings.method == "byol"


def test_an_interrupted_run_of_another_method_is_given_up_only_where_that_is_asked_for(images, tmp_path):
    with pytest.raises(Interrupted):
        train(images, small("byol", checkpoint_every=0), out=tmp_path / "model", progress=stop_after(2))
    done: list[int] = []
    settings = small("myow", steps=1)
    train(images, settings, out=tmp_path / "model", replace=True, progress=lambda at, _: done.append(at))
    assert done == [1]


def test_other_settings_start_anew(images, tmp_path):
    with pytest.raises(Interrupted):
        train(images, small("byol", checkpoint_every=0), out=tmp_path / "model", progress=stop_after(2))
    done: list[int] = []
    train(images, small("byol", seed=2), out=tmp_path / "model", progress=lambda step, _: done.append(step))
    assert done == [1, 2, 3, 4]


def test_a_finished_run_is_returned_as_it_is(images, tmp_path):
    first = train(images, small("byol", steps=1), out=tmp_path / "model")
    calls: list[int] = []
    again = train(
        images, small("byol", steps=1, checkpoint_every=0), out=tmp_path / "model",
        progress=lambda step, _: calls.append(step),
    )  # fmt: skip
    assert calls == []
    np.testing.assert_array_equal(first.embed(images), again.embed(images))


def test_other_images_replace_a_finished_run(images, tmp_path):
    train(images, small("pca"), out=tmp_path / "model")
    model = train(255 - images, small("pca"), out=tmp_path / "model", replace=True)
    np.testing.assert_allclose(
        model.embed(255 - images), load_model(tmp_path / "model", trusted=[TINY]).embed(255 - images)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_a_killed_run_goes_on_to_the_same_end(images, tmp_path, lab):
    np.save(tmp_path / "images.npy", images)
    settings = small("byol", steps=150, checkpoint_every=0)
    (tmp_path / "settings.json").write_text(settings.model_dump_json())
    script = textwrap.dedent("""
        import sys, numpy, torch
        from pathlib import Path
        from mtneuro_ssl import TrainSettings, train
        torch.set_num_threads(int(sys.argv[2]))
        here = Path(sys.argv[1])
        settings = TrainSettings.from_file(here / "settings.json", trusted=["tiny_lab:encoder"])
        train(numpy.load(here / "images.npy"), settings, out=here / "killed")
    """)
    import torch

    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), str(torch.get_num_threads())],
        env=os.environ | {"PYTHONPATH": str(lab)},
    )
    history = tmp_path / "killed.partial" / "history.csv"
    patience = time.monotonic() + 120
    while not history.is_file() and child.poll() is None and time.monotonic() < patience:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (tmp_path / "killed").exists()
    done: list[int] = []
    train(images, settings, out=tmp_path / "killed", progress=lambda step, _: done.append(step))
    assert 1 < done[0] < 150
    train(images, small("byol", steps=150), out=tmp_path / "whole")
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_global_random_state_is_left_alone(images, labels, tmp_path):
    import torch

    before = torch.random.get_rng_state()
    np_before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    train(images, small("supervised+mixup"), labels=labels, out=tmp_path / "model")
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(np_before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002


def test_training_in_a_thread_gives_the_same_model(images, tmp_path):
    whole = train(images, small("myow"), out=tmp_path / "main")
    thread = threading.Thread(target=train, args=(images, small("myow")), kwargs={"out": tmp_path / "thread"})
    thread.start()
    thread.join()
    np.testing.assert_array_equal(
        load_model(tmp_path / "thread", trusted=[TINY]).embed(images), whole.embed(images)
    )


def test_a_machine_with_slurm_is_like_any_other(images, tmp_path, monkeypatch):
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(srun.parent), prepend=os.pathsep)
    train(images, small("byol", steps=1), out=tmp_path / "model")  # warnings are errors


def test_a_keyboard_interrupt_stays_one(images, tmp_path):
    def progress(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(images, small("byol"), out=tmp_path / "model", progress=progress)


def test_predictions_come_from_supervised_models_only(images, labels, tmp_path):
    names = ["a", "b", "c"]
    model = train(images, small("supervised"), labels=labels, out=tmp_path / "model", class_names=names)
    assert load_model(tmp_path / "model", trusted=[TINY]).classes == ("a", "b", "c")
    predicted = model.predict(images)
    assert predicted.dtype == np.int64
    assert set(predicted) <= {0, 1, 2}
    with pytest.raises(ValueError, match="predict needs a supervised model, got 'untrained'"):
        untrained(small("byol")).predict(images)


def test_supervised_training_learns_bright_from_dark(tmp_path):
    rng = np.random.default_rng(3)
    labels = np.arange(32, dtype=np.int64) % 2
    images = (rng.normal(90 + 60 * labels[:, None, None], 10, (32, 16, 16))).astype(np.uint8)
    settings = small("supervised", encoder="resnet18", batch_size=16, steps=12, dropout=0, weight_decay=0)
    model = train(images, settings, labels=labels, out=tmp_path / "model")
    rows = history_of(tmp_path / "model")
    assert float(rows[-1]["loss"]) < 0.5 * float(rows[0]["loss"])
    assert model.dim == 8


def test_something_else_is_not_overwritten(images, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="must be a new folder or one that holds a model"):
        train(images, small("pca"), out=tmp_path)
    assert [path.name for path in Path(tmp_path).iterdir()] == ["thesis.txt"]


def test_a_loss_that_is_no_longer_finite_is_an_error(images, labels, tmp_path):
    settings = small("supervised", learning_rate=1e30, steps=8)
    with pytest.raises(ValueError, match=r"loss must stay finite, got .* lower learning_rate"):
        train(images, settings, labels=labels, out=tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_views_may_come_from_the_slices_beside(images, tmp_path):
    ids = np.array([f"A-CTX/z{z}" for z in range(12)])
    settings = small("myow", views={"slices": 2, "flip": 0.5, "noise": 0.01})
    model = train(images, settings, sample_id=ids, out=tmp_path / "near")
    alone = train(images, small("myow"), out=tmp_path / "alone")
    assert not np.array_equal(model.embed(images), alone.embed(images))


def test_vectors_are_learnt_from_as_images_are(tmp_path):
    """Noisy copies of four prototypes, of which one feature in three is hidden from each view."""
    rng = np.random.default_rng(0)
    labels = np.arange(64, dtype=np.int64) % 4
    vectors = (rng.normal(size=(4, 20))[labels] + 0.3 * rng.normal(size=(64, 20))).astype(np.float32)
    settings = small(
        "myow", encoder="tiny_lab:perceptron", batch_size=32, steps=60, learning_rate=1.0, latent_dim=None,
        views={"noise": 0.1, "mask": 0.3},
    )  # fmt: skip
    model = train(vectors, settings, labels=labels, out=tmp_path / "model")
    assert model.embed(vectors).shape == (64, 8)
    loaded = load_model(tmp_path / "model", trusted=["tiny_lab:perceptron"])
    np.testing.assert_array_equal(loaded.embed(vectors), model.embed(vectors))
    rows = history_of(tmp_path / "model")
    mean = [np.mean([float(row["loss"]) for row in part]) for part in (rows[:10], rows[-10:])]
    assert mean[1] < 0.7 * mean[0]
    assert np.mean([float(row["mined_accuracy"]) for row in rows[-10:]]) > 0.8
    with pytest.raises(
        ValueError, match=r"vectors must be float32 of shape \(n, 20\), got float32 of shape \(64, 19\)"
    ):
        model.embed(vectors[:, 1:])


def test_vectors_need_an_encoder_of_their_own(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    with pytest.raises(ValueError, match="vectors need an encoder of your own"):
        train(vectors, small("byol", encoder="resnet18"), out=tmp_path / "model")
    with pytest.raises(ValueError, match="'pca' needs images, got vectors"):
        train(vectors, small("pca"), out=tmp_path / "model")
    vectors[0, 0] = np.nan
    with pytest.raises(ValueError, match="vectors must be finite"):
        train(vectors, small("byol"), out=tmp_path / "model")


def test_a_last_step_that_breaks_the_weights_is_an_error(images, labels, tmp_path):
    settings = small("supervised", learning_rate=1e38, steps=1)
    with pytest.raises(ValueError, match="embeddings must be finite after the last step"):
        train(images, settings, labels=labels, out=tmp_path / "model")


def test_a_changed_weights_file_is_another_run(images, tmp_path):
    file = tmp_path / "weights"
    digests: set[str] = set()
    for content in (b"a", b"b"):
        file.write_bytes(content)
        digests.add(run_digest(images, small("byol", encoder_weights=str(file))))
    assert len(digests) == 2


def test_a_run_of_other_settings_says_that_it_starts_anew(images, tmp_path, caplog):
    with pytest.raises(Interrupted):
        train(images, small("byol", checkpoint_every=0), out=tmp_path / "model", progress=stop_after(2))
    train(images, small("byol", seed=2), out=tmp_path / "model")
    assert "model.partial holds an interrupted run of other settings or images: starting anew" in caplog.text


def test_a_run_that_is_refused_leaves_nothing_behind(images, tmp_path):
    with pytest.raises(ValueError, match="batch_size must be at most the number of images, 12, got 64"):
        train(images, small("byol", batch_size=64), out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["byol", "myow", "myow-m"])
def test_a_run_starts_from_the_encoder_and_the_heads_of_a_run_of_byol(method, images, tmp_path):
    train(images, small("byol"), out=tmp_path / "byol")
    settings = small(method, start_from=str(tmp_path / "byol"))
    started, fresh = new_method(images, settings).state_dict(), new_method(images, small(method)).state_dict()
    weights, heads = (load_file(tmp_path / "byol" / f"{n}.safetensors") for n in ("model", "heads"))
    assert {name.partition(".")[0] for name in heads} == {"projector", "predictor"}
    for name, tensor in (weights | heads).items():
        np.testing.assert_array_equal(started[name], tensor, err_msg=name)
        # The slow copy begins as the network that it follows.
        if f"target_{name}" in started:
            np.testing.assert_array_equal(started[f"target_{name}"], tensor, err_msg=name)
    second = [name for name in started if "mined" in name]
    assert bool(second) == (method == "myow")
    for name in second:  # what BYOL does not have is as it would be
        np.testing.assert_array_equal(started[name], fresh[name], err_msg=name)
    model = train(images, settings, out=tmp_path / "model")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model", trusted=[TINY]).embed(images), model.embed(images)
    )


def test_what_a_run_starts_from_is_part_of_what_it_is(images, tmp_path):
    digests = set[str]()
    for seed in (1, 2):
        train(images, small("byol", seed=seed), out=tmp_path / "byol", replace=True)
        digests.add(run_digest(images, small("myow", start_from=str(tmp_path / "byol"))))
    assert len(digests) == 2


def test_heads_of_another_width_are_refused_by_name(images, tmp_path):
    train(images, small("byol", hidden=12), out=tmp_path / "byol")
    with pytest.raises(
        ValueError, match=r"heads.safetensors must hold the weights of the projector and pred"
    ):
        train(images, small("myow", start_from=str(tmp_path / "byol")), out=tmp_path / "model")


@pytest.mark.parametrize("method", ["simclr", "supervised"])
def test_other_methods_keep_no_heads(method, images, labels, tmp_path):
    train(images, small(method), labels=labels, out=tmp_path / "model")
    assert not (tmp_path / "model" / "heads.safetensors").exists()
