"""Scores of a model on labelled images."""

from typing import Any

import numpy as np
import pytest
from mtneuro_seg import confusion_matrix, load_model, predict, scores, scores_per_image


def table(text: str) -> dict[str, list[str]]:
    """Return the numbers of each row of the printed table."""
    rows = [line.split() for line in text.splitlines()]
    return {row[0]: row[1:5] for row in rows if len(row) == 5 and row[0] != "class"}


def test_the_table_holds_pooled_scores_and_the_means_over_images(capsys, data, model, run):
    assert run("evaluate", model, data) == 0
    out = capsys.readouterr().out
    found = table(out)
    with np.load(data) as held:
        images, masks = held["images"], held["masks"]
    labels = predict(load_model(model), images)
    pooled = scores(confusion_matrix(masks, labels, classes=3))
    single = scores_per_image(masks, labels, classes=3)
    assert found["vessels"] == [
        f"{score:.3f}" for score in (pooled.f1[1], pooled.iou[1], single.f1[1], single.iou[1])
    ]
    assert found["mean"] == [
        f"{score:.3f}" for score in (pooled.mean_f1, pooled.mean_iou, single.mean_f1, single.mean_iou)
    ]
    lines = {line[:18].strip(): line[18:].split() for line in out.splitlines()}
    assert lines["accuracy"] == [f"{pooled.accuracy:.3f}", f"{single.accuracy:.3f}"]
    assert lines["balanced accuracy"] == [
        f"{pooled.balanced_accuracy:.3f}",
        f"{single.balanced_accuracy:.3f}",
    ]


def test_a_class_that_is_nowhere_has_a_dash(capsys, data, model, run, tmp_path, monkeypatch):
    with np.load(data) as held:
        np.savez(tmp_path / "none.npz", images=held["images"], masks=np.zeros_like(held["masks"]))
    monkeypatch.setattr("mtneuro_seg.inference.predict", lambda _, images, **__: np.zeros_like(images))
    assert run("evaluate", model, tmp_path / "none.npz") == 0
    assert table(capsys.readouterr().out)["cells"] == ["–"] * 4


def test_intervals_are_printed_on_request(capsys, data, model, run):
    assert run("evaluate", model, data, "--intervals", "--block", "2") == 0
    assert "95% interval" in capsys.readouterr().out


def test_intervals_say_which_slices_they_take_as_neighbours(capsys, data, model, run, tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_seg.inference.predict", lambda _, images, **__: np.zeros_like(images))
    with np.load(data) as held:
        found = {"images": held["images"], "masks": held["masks"]}
    kinds: dict[str, tuple[dict[str, Any], str | None]] = {
        "bare": ({}, "names no slices (sample_id): its images are taken as consecutive slices"),
        "foreign": (
            {"sample_id": [f"img_{n}" for n in range(8)]},
            "such as 'img_0': each is drawn by itself",
        ),
        "ours": ({"sample_id": [f"A/z{n}" for n in range(8)]}, None),
    }
    for name, (more, told) in kinds.items():
        np.savez(tmp_path / f"{name}.npz", **found, **more)
        assert run("evaluate", model, tmp_path / f"{name}.npz", "--intervals", "--block", "2") == 0
        out = capsys.readouterr().out
        assert told in out if told else ("names no" not in out and "by itself" not in out)
    one_a_cube = [f"{cube}/z0" for cube in "ABCDEFGH"]
    np.savez(tmp_path / "single.npz", **found, sample_id=one_a_cube)
    assert run("evaluate", model, tmp_path / "single.npz", "--intervals", "--block", "2") == 2
    assert "less than the 1 images of the longest stack, got 2" in capsys.readouterr().err


def test_a_figure_is_written_into_a_new_folder(capsys, data, model, run, tmp_path):
    figure = tmp_path / "figures" / "test.png"
    assert run("evaluate", model, data, "--figure", figure) == 0
    assert f"figure written to {figure}" in capsys.readouterr().out
    assert figure.stat().st_size > 1000


def test_a_part_of_the_images_is_scored(data, model, run, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "mtneuro_seg.inference.predict", lambda _, images, **__: seen.append(images) or np.zeros_like(images)
    )
    assert run("evaluate", model, data, "--z", "2:5") == 0
    with np.load(data) as held:
        np.testing.assert_array_equal(seen[0], held["images"][2:5])


def test_labels_and_blocks_that_do_not_fit_are_refused_before_predicting(
    capsys, data, model, monkeypatch, run, tmp_path
):
    monkeypatch.setattr("mtneuro_seg.inference.predict", lambda *_, **__: pytest.fail("it predicted"))
    with np.load(data) as held:
        np.save(tmp_path / "images.npy", held["images"])
        np.save(tmp_path / "labels.npy", held["masks"] + 2)
    wrong = {
        (data, "--intervals"): "less than the 8 images of the longest stack, got 10",
        (data, "--intervals", "--block", "0"): "block must be at least 1",
        (tmp_path / "images.npy", tmp_path / "labels.npy"): "labels must hold labels in [0, 3), got 3, 4",
        (data, "--figure", tmp_path / "a.gif"): "must be written to a .png, .pdf or .svg",
    }
    for words, message in wrong.items():
        assert run("evaluate", model, *words) == 2, words
        assert message in capsys.readouterr().err, words


def test_a_figure_that_cannot_be_written_is_refused_before_the_model_is_read(capsys, run, tmp_path):
    (tmp_path / "file").touch()
    assert run("evaluate", tmp_path / "no model", "no images", "--figure", tmp_path / "file" / "a.png") == 2
    assert "file is not a folder" in capsys.readouterr().err


def test_each_image_is_scored_at_its_own_brightness_by_a_model_of_the_package(capsys, data, run, tmp_path):
    with np.load(data) as held:
        images, masks = held["images"], held["masks"]
    shares = np.arange(1, 9, dtype=np.uint8)[:, None, None]
    np.savez(tmp_path / "even.npz", images=images // 8 * 4, masks=masks)
    np.savez(tmp_path / "mixed.npz", images=images // 8 * shares, masks=masks)
    found: list[str] = []
    for name in ("even", "mixed"):
        words = ("evaluate", "phantom-unet", tmp_path / f"{name}.npz", "--voxel-size-um", "1", "1", "1")
        assert run(*words) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1]
