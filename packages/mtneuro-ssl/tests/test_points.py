"""Clouds of points from the file to the embedding, as images are, and their views."""

from typing import Any

import numpy as np
import pytest
import torch
from mtneuro_ssl import TrainSettings, embed, load_model, train, untrained
from mtneuro_ssl.points import as_vectors, check_points, point_views
from mtneuro_ssl.settings import ViewSettings
from mtneuro_ssl.views import generator_at

VIEWS = {"mask": 0.2, "noise": 3.0, "flip": 0.5, "rotate": True}


def small(method: str, **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": method, "encoder": "deepsets", "batch_size": 8, "steps": 6, "hidden": 16, "projection": 8,
        "latent_dim": 8, "device": "cpu", "optimiser": "adam", "learning_rate": 0.01, "weight_decay": 0,
        "checkpoint_every": 0,
    }  # fmt: skip
    if method == "byol":
        values["views"] = VIEWS
    return TrainSettings.model_validate(values | changes)


@pytest.fixture
def clouds() -> np.ndarray:
    """32 clouds of two kinds: few large points, and many small ones."""
    rng = np.random.default_rng(0)
    points = np.zeros((32, 12, 4), np.float32)
    for n, cloud in enumerate(points):
        count = (4, 9)[n % 2] + rng.integers(3)
        size = rng.normal((200, 60)[n % 2], 10, count)
        cloud[:count] = np.column_stack([rng.integers(1, 3, count), rng.normal(0, 50, (count, 2)), size])
    return points


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(32) % 2


@pytest.mark.parametrize("method", ["supervised", "byol", "untrained"])
def test_a_method_learns_from_clouds_and_embeds_any_number_of_points(method, clouds, labels, tmp_path):
    model = train(clouds, small(method), labels=labels, out=tmp_path / "model")
    embeddings = embed(model, clouds)
    assert embeddings.shape == (32, 8)
    loaded = load_model(tmp_path / "model")
    np.testing.assert_array_equal(loaded.embed(clouds), embeddings)
    mixed = np.pad(clouds[:, ::-1], ((0, 0), (3, 5), (0, 0)))
    np.testing.assert_allclose(loaded.embed(mixed), embeddings, rtol=0, atol=1e-6)
    assert "clouds of points, float32 (n, points, 4)" in (tmp_path / "model" / "README.md").read_text()


def test_supervised_training_tells_two_kinds_of_clouds_apart(clouds, labels, tmp_path):
    model = train(
        clouds,
        small("supervised", steps=60, dropout=0, checkpoint_every=9),
        labels=labels,
        out=tmp_path / "model",
    )
    assert (model.predict(clouds) == labels).mean() == 1


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("method", ["supervised", "byol"])
def test_an_interrupted_run_ends_as_if_it_had_not_been(method, clouds, labels, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise Interrupted

    whole = train(clouds, small(method), labels=labels, out=tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(clouds, small(method), labels=labels, out=tmp_path / "model", progress=stop)
    again = train(clouds, small(method), labels=labels, out=tmp_path / "model")
    assert again.fingerprint() == whole.fingerprint()


def test_a_file_of_clouds_is_trained_on_and_embedded(clouds, labels, tmp_path, run, capsys):
    file = tmp_path / "points.npz"
    ids = np.array([f"A-CTX/z{n}" for n in range(32)])
    about: dict[str, Any] = {
        "region": labels,
        "region_names": np.array(["CTX", "VP"]),
        "voxel_size_um": np.ones(3),
    }
    np.savez(file, format_version=1, points=clouds, sample_id=ids, **about)
    options = (
        "--set",
        "encoder=deepsets",
        "--set",
        "steps=2",
        "--set",
        "batch_size=8",
        "--set",
        "device=cpu",
    )
    run("train", file, "--method", "supervised", "-o", tmp_path / "model", *options)
    run("embed", tmp_path / "model", file, "-o", tmp_path / "e.npz")
    model = load_model(tmp_path / "model")
    assert model.classes == ("CTX", "VP")
    with np.load(tmp_path / "e.npz") as held:
        np.testing.assert_array_equal(held["embeddings"], model.embed(clouds))
        assert held["sample_id"].tolist() == ids.tolist()
        assert held["region"].tolist() == labels.tolist()
    capsys.readouterr()
    for words, told in (
        (("--corners",), "holds clouds of points, which have no corners"),
        (("--z", "0:4"), "holds clouds of points, which have no ranges: leave --z, --y and --x out"),
    ):
        run("embed", tmp_path / "model", file, "-o", tmp_path / "f.npz", *words, status=2)
        assert told in capsys.readouterr().err
    run("train", file, "-o", tmp_path / "other", "--set", "batch_size=8", status=2)
    assert "or, where they are clouds of points, encoder=deepsets, got 'resnet18'" in capsys.readouterr().err
    run("train", file, "-o", tmp_path / "other", "--set", "depth=2", status=2)
    assert "which have no depth: leave depth out" in capsys.readouterr().err
    np.savez(file, points=clouds[:, :, 0], sample_id=ids)
    run("embed", tmp_path / "model", file, "-o", tmp_path / "f.npz", status=2)
    assert "must be float32 (n, points, 4) with a sample_id each" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "pca"}, "method 'pca' needs images, got clouds of points"),
        ({"method": "supervised+mixup"}, r"method 'supervised\+mixup' needs images"),
        ({"method": "byol", "views": {}}, "needs views that differ.*set views.mask"),
        (
            {"views": {"zoom": 2.0}},
            "views.zoom means nothing for clouds of points.*flip, mask, noise, rotate",
        ),
        ({"encoder": "resnet18"}, r"images must vary|vectors need|no axis of length|must be"),
    ],
)
def test_what_clouds_cannot_do_is_refused(changes, told, clouds, labels, tmp_path):
    settings = small("supervised").model_dump() | changes
    with pytest.raises(ValueError, match=told):
        train(
            clouds.reshape(32, -1), TrainSettings.model_validate(settings), labels=labels, out=tmp_path / "m"
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        (lambda c: c[:, :, :3], r"takes clouds of points, float32 \(n, points, 4\).*got float32"),
        (lambda c: (c * 9).astype(np.uint8), "got uint8 of shape"),
        (lambda c: c[:0], "takes clouds of points"),
        (
            lambda c: c * np.array([0, 1, 1, 1], np.float32),
            "clouds must have a point, got none in 32 of them",
        ),
        (lambda c: c * np.array([40, 1, 1, 1], np.float32), "whole number, 32 at most and 0 for none, got"),
        (lambda c: c + np.array([0.5, 0, 0, 0], np.float32), "whole number"),
        (lambda c: c * np.array([1, 1, 1, -1], np.float32), "size of a point must be 0 or more, got -"),
        (lambda c: c * np.array([1, np.nan, 1, 1], np.float32), "points must be finite"),
    ],
)
def test_what_is_no_cloud_is_refused(spoilt, told, clouds, labels, tmp_path, unchecked):
    with pytest.raises(ValueError, match=told):
        train(spoilt(clouds), small("supervised"), labels=labels, out=tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_model_of_clouds_refuses_images_and_one_of_images_clouds(clouds, unchecked):
    model = untrained(small("untrained"))
    assert model.embed(np.zeros((2, 3, 4), np.float32)).shape == (2, 8)  # no points, which a corner may have
    with pytest.raises(ValueError, match="takes clouds of points"):
        model.embed(np.zeros((2, 16, 16), np.uint8))


def test_clouds_are_vectors_for_their_own_encoder_alone(clouds):
    assert as_vectors(clouds, small("supervised")).shape == (32, 48)
    assert as_vectors(clouds, TrainSettings()) is clouds
    check_points(as_vectors(clouds, small("supervised")), encoder="deepsets")


def views_of(clouds: np.ndarray, **views: object) -> np.ndarray:
    vectors = torch.from_numpy(clouds.reshape(len(clouds), -1))
    made = point_views(vectors, ViewSettings.model_validate(views), generator=generator_at(1, "views"))
    return made.numpy().reshape(clouds.shape)


def test_a_view_mirrors_and_turns_a_cloud_as_a_whole(clouds):
    for views, known in (({"flip": 0.5}, 4), ({"rotate": True}, 4), ({"flip": 0.5, "rotate": True}, 8)):
        seen = views_of(clouds, **views)
        np.testing.assert_array_equal(seen[:, :, [0, 3]], clouds[:, :, [0, 3]])
        moves = set()
        for cloud, view in zip(clouds[:, :, 1:3], seen[:, :, 1:3], strict=True):
            move = np.linalg.lstsq(cloud, view, rcond=None)[0].round(3)
            np.testing.assert_allclose(cloud @ move, view, atol=1e-3)
            moves.add(tuple((move + 0.0).ravel()))
        assert len(moves) == known
        assert all(set(np.abs(move)) == {0, 1} for move in moves)


def test_a_view_jitters_places_and_leaves_points_out(clouds):
    there = clouds[:, :, 0] > 0
    jitter = (views_of(clouds, noise=5.0) - clouds)[there]
    assert jitter[:, 1:3].std() == pytest.approx(5, rel=0.15)
    assert not jitter[:, [0, 3]].any()
    kept = views_of(clouds, mask=0.3)
    left = (kept[:, :, 0] > 0)[there]
    assert left.mean() == pytest.approx(0.7, abs=0.1)
    np.testing.assert_array_equal(kept[there][left], clouds[there][left])
    assert not kept[there][~left].any()
