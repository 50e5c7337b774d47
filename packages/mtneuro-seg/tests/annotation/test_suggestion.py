"""Boxes by each strategy: apart, away from annotated ones, the same each time, as a plain search has them."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
import zarr
from mtneuro_seg import Box, SuggestSettings, SweepSettings, suggest, swept_labels
from mtneuro_seg.annotation.boxes import box_grid
from mtneuro_seg.annotation.folder import read_suggestions
from mtneuro_seg.annotation.scoring import Ledger, box_embeddings, box_uncertainties
from mtneuro_seg.annotation.suggestion import read_embeddings

STRATEGIES = ("uncertainty", "diversity", "uncertainty+diversity", "random")
SIZE = (2, 16, 16)
CPU = torch.device("cpu")
SWEEP = SweepSettings(window=(16, 16), batch_size=3)


def share_a_voxel(first: Box, second: Box) -> bool:
    return all(
        max(a, b) < min(c, d)
        for a, b, c, d in zip(first.lower, second.lower, first.upper, second.upper, strict=True)
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_boxes_are_apart_away_from_annotated_ones_and_the_same_each_time(suggested, tmp_path, strategy):
    taken = Box(lower=(3, 10, 10), upper=(4, 30, 12))
    made = [
        suggested(tmp_path / name, settings={"strategy": strategy, "boxes": 3}, annotated=[taken])
        for name in ("a", "b")
    ]
    boxes = [each.box for each in made[0]]
    assert boxes == [each.box for each in made[1]]
    assert {each.strategy for each in made[0]} == {strategy}
    assert all(box.shape == SIZE for box in boxes)
    assert not any(share_a_voxel(*pair) for pair in itertools.combinations([*boxes, taken], 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_the_least_sure_boxes_come_first(untrained, volume, suggested, tmp_path):
    found = suggested(tmp_path / "a", settings={"strategy": "uncertainty", "uncertainty": "margin"})
    corners = box_grid(volume.shape, SIZE)
    scores = box_uncertainties(
        untrained(),
        volume,
        corners,
        SIZE,
        kind="margin",
        sweep=SWEEP,
        device=CPU,
        ledger=Ledger(tmp_path / "l", {}),
    )
    ranked = sorted(range(len(corners)), key=lambda box: (-scores[box], box))[:2]
    assert [each.box.lower for each in found] == [tuple(corners[box]) for box in ranked]
    assert [each.score for each in found] == [scores[box] for box in ranked]


def test_the_most_different_boxes_are_far_from_annotated_ones(untrained, volume, suggested, tmp_path):
    corners = box_grid(volume.shape, SIZE)
    vectors = box_embeddings(
        untrained(), volume, corners, SIZE, batch_size=3, device=CPU, ledger=Ledger(tmp_path / "l", {})
    )
    z, y, x = (int(at) for at in corners[3])
    taken = Box(lower=(z, y, x), upper=(z + 1, y + 1, x + 1))
    (found,) = suggested(tmp_path / "a", settings={"strategy": "diversity", "boxes": 1}, annotated=[taken])
    distances = np.linalg.norm(vectors - vectors[3], axis=1)
    assert found.box.lower == tuple(corners[distances.argmax()])
    assert found.score == pytest.approx(float(distances.max()), rel=1e-5)


def test_both_takes_the_most_different_of_the_least_sure(suggested, tmp_path):
    settings = {"strategy": "uncertainty+diversity", "shortlist": 2}
    both = suggested(tmp_path / "a", settings=settings)
    least_sure = suggested(tmp_path / "b", settings={"strategy": "uncertainty", "boxes": 4})
    assert {each.box for each in both} <= {each.box for each in least_sure}


def test_seeds_of_random_differ(suggested, tmp_path):
    first, second = (suggested(tmp_path / f"{seed}", settings={"seed": seed}) for seed in (0, 1))
    assert first != second


def test_of_equal_boxes_the_earlier_one_is_taken(suggested, volume, tmp_path):
    same = np.full_like(volume, 100)
    for strategy in ("uncertainty", "uncertainty+diversity"):
        # One window a box, so that all are seen alike.
        found = suggested(
            tmp_path / strategy, volume=same[:, :16, :16], settings={"strategy": strategy, "boxes": 3}
        )
        assert [each.box.lower for each in found] == [(0, 0, 0), (2, 0, 0), (4, 0, 0)]


def test_a_file_of_embeddings_gives_the_boxes_and_their_distances(suggested, tmp_path):
    lower = np.array([[4, 8, 8], [0, 0, 0], [0, 4, 4], [2, 20, 20]])
    np.savez(
        tmp_path / "a.npz", lower=lower + np.array([0, 0, 50]), embeddings=np.array([[9.0], [0], [8], [1]])
    )
    found = suggested(
        tmp_path / "a",
        settings={"strategy": "diversity"},
        embeddings=read_embeddings(tmp_path / "a.npz"),
        lower=(0, 0, 50),
        annotated=[Box(lower=(0, 0, 50), upper=(1, 1, 51))],
    )
    # The second has the annotated voxel, and is the centre; the first is farthest from it.
    assert [(each.box.lower, each.score) for each in found] == [((4, 8, 58), 9.0), ((0, 4, 54), 1.0)]


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"lower": [[0, 0, 0]]}, "embeddings is not a file in the archive"),
        ({"lower": [[0.5, 0, 0]], "embeddings": [[1.0]]}, "whole numbers"),
        ({"lower": [[0, 0, 0]], "embeddings": [[1.0], [2.0]]}, r"numbers \(1, features\), one row a box"),
        ({"lower": [[0, 0, 0]], "embeddings": [[np.nan]]}, "must be finite"),
    ],
)
def test_a_file_that_is_none_of_embeddings_is_refused(tmp_path, held, told):
    arrays: dict[str, Any] = {name: np.array(value) for name, value in held.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        read_embeddings(tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError, match="no file of embeddings"):
        read_embeddings(tmp_path / "b.npz")


def test_the_labels_to_start_from_are_the_models(untrained, volume, suggested, tmp_path):
    suggested(tmp_path / "a")
    whole = swept_labels(untrained(), volume, sweep=SWEEP)
    for each in read_suggestions(tmp_path / "a").boxes:
        inside = tuple(slice(*ends) for ends in zip(each.box.lower, each.box.upper, strict=True))
        # Windows begin elsewhere than in the whole volume, so that a few voxels may differ.
        assert (each.prediction == whole[inside]).mean() > 0.9


def test_by_default_a_box_is_what_the_model_was_trained_on(untrained, volume, tmp_path):
    model = untrained("unet3d")
    model.provenance["data"] = {"images": {"shape": [9, 4, 16, 8]}}
    store = zarr.create_array(tmp_path / "v.zarr", data=volume, chunks=(3, 16, 16))
    (found,) = suggest(model, store, out=tmp_path / "a", settings=SuggestSettings(boxes=1))
    assert found.box.shape == (4, 16, 8)


@pytest.mark.parametrize(
    ("settings", "more", "told"),
    [
        ({"size": (2, 15, 16)}, {}, r"size must be one that 'unet' can be trained on, got \(2, 15, 16\)"),
        ({"size": (8, 16, 16)}, {}, "size must be a box within the volume"),
        ({"boxes": 13}, {}, "boxes must be at most 12, as many of .* got 13; take fewer or smaller boxes"),
        (
            {"boxes": 12},
            {"annotated": [Box(lower=(0, 10, 10), upper=(1, 12, 12))]},
            "at most 11, .* beside the 1 that overlap annotated ones, got 12",
        ),
        ({}, {"embeddings": (np.zeros((1, 3), int), np.ones((1, 1)))}, "for a strategy with diversity"),
        (
            {"strategy": "diversity"},
            {"embeddings": (np.array([[0, 0, 30]]), np.ones((1, 1)))},
            r"must lie within the volume \(6, 40, 36\) at \(0, 0, 0\), got one at \(0, 0, 30\)",
        ),
        ({}, {"volume": np.zeros((40, 36), np.uint8)}, "a volume must have axes"),
        ({}, {"volume": np.zeros((6, 40, 36), np.uint16)}, "uint8"),
    ],
)
def test_what_does_not_fit_is_told_before_any_work(suggested, tmp_path, settings, more, told):
    with pytest.raises(ValueError, match=told):
        suggested(tmp_path / "a", settings=settings, **more)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_sweep_goes_on(suggested, volume, tmp_path):
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    long = np.concatenate([volume[:, :16, :16]] * 11)
    given = {"volume": long, "settings": {"strategy": "uncertainty"}}
    with pytest.raises(KeyboardInterrupt):
        suggested(tmp_path / "a", progress=interrupt, **given)
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial"]
    kept = next((tmp_path / "a.partial").glob("entropy-*.npy"))
    marked = np.load(kept)
    marked[5] = 2
    np.save(kept, marked)
    first, _ = suggested(tmp_path / "a", **given)
    # What is kept is taken, not computed again.
    assert first.score == 2
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
