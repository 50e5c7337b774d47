import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, embed, load_model

from mtneuro_suite.runs.logs import logging_to
from mtneuro_suite.steps import Encoder
from mtneuro_suite.steps.taken import Taken

PCA = TrainSettings(method="pca", components=2)


def ignored(done, total):
    pass


def test_an_encoder_learns_from_all_its_arrays(arrays_folder, dark_and_bright, tmp_path):
    images, region = dark_and_bright
    halves = [
        arrays_folder("one", images[:6], region=region[:6]),
        arrays_folder("two", images[6:], region=region[6:]),
    ]
    outcome = Encoder(train=PCA).run({"train": halves}, tmp_path, ignored)
    assert outcome.extra == {"images": 12}
    first = embed(load_model(tmp_path / "model"), images)[:, 0]
    # Brightness is what varies most.
    assert abs(np.corrcoef(first, region)[0, 1]) > 0.99


def test_an_encoder_may_learn_from_the_slices_beside(arrays_folder, dark_and_bright, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("mtneuro_ssl.train", lambda *_, sample_id, **__: seen.append(sample_id.tolist()))
    folder = arrays_folder("one", dark_and_bright[0], z=5)
    Encoder(train=PCA).run({"train": [folder]}, tmp_path, ignored)
    assert seen == [[f"A-CTX/z{z}" for z in range(5, 17)]]


def test_a_training_is_logged_where_the_suite_asks(arrays_folder, dark_and_bright, tmp_path):
    pytest.importorskip("tensorboard")
    images, region = dark_and_bright
    folder = arrays_folder("one", images, region=region)
    small = TrainSettings(method="supervised", encoder="vit", steps=2, batch_size=4, device="cpu")
    with logging_to(["tensorboard"], tmp_path / "results", "supervised, seed 1"):
        Encoder(train=small).run({"train": [folder]}, tmp_path / "run", ignored)
    assert list((tmp_path / "results" / "logs" / "supervised, seed 1").glob("events.*"))


def test_a_taken_model_is_copied_as_it_is_and_trains_nowhere(arrays_folder, dark_and_bright, tmp_path):
    images, region = dark_and_bright
    Encoder(train=PCA).run(
        {"train": [arrays_folder("all", images, region=region)]}, tmp_path / "one", ignored
    )
    given = tmp_path / "one" / "model"
    step = Encoder(train=PCA.model_copy(update={"device": "cuda"}), taken=Taken(folder=given, digest="x"))
    assert step.device == "cpu"
    outcome = step.run({}, tmp_path / "two", ignored)
    assert (outcome.rows, outcome.extra) == ([], {})
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "two" / "model" / name).read_bytes() == (given / name).read_bytes()


def test_an_encoder_is_named_by_its_method_and_by_no_other():
    modules = Encoder(train=PCA).executed_modules()
    assert "mtneuro_ssl.methods.pca" in modules
    assert "mtneuro_ssl.methods.byol" not in modules
