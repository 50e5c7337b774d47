"""What fidelity is measured by: it must not hang on how a tile was stretched, nor accept nonsense."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "fidelity"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


def test_a_stretched_tile_is_levelled_alike(module):
    tile = np.random.default_rng(0).normal(110, 15, (64, 64)).clip(1, 200)
    tile[0, 0] = 0
    levelled = module("transfer").levelled
    plain, stretched = levelled(tile).astype(int), levelled(1.25 * tile).astype(int)
    assert np.median(plain) == 128
    assert np.abs(plain - stretched).max() <= 1
    assert levelled(tile, contrast=0.5).std() < 0.6 * plain.std()


def test_slices_are_of_every_region_and_repeat(module):
    transfer = module("transfer")
    once, again = (transfer.phantom_slices(4, seed=3) for _ in range(2))
    for (image, label), (same, labels) in zip(once, again, strict=True):
        assert image.shape == label.shape == (256, 256)
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(label, labels)
    axons = [(label == 3).mean() for _, label in once]
    assert axons[0] == 0
    assert min(axons[2:]) > 0.2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((4, 4))}, "NAME_image and NAME_label, holds a"),
        ({"A_image": np.zeros((8, 8)), "A_label": np.zeros((8, 9))}, "planes of one size"),
        ({"A_image": np.zeros((8, 8)), "A_label": np.full((8, 8), 9)}, "labels 0 to 3, holds 9"),
        (None, "must be an .npz file"),
    ],
)
def test_pairs_that_are_none_are_refused(module, tmp_path, arrays, message):
    path = tmp_path / "pairs.npz"
    if arrays is None:
        np.save(tmp_path / "plane.npy", np.zeros(3))
        path = tmp_path / "plane.npy"
    else:
        np.savez(path, **arrays)
    with pytest.raises(ValueError, match=message):
        module("transfer").labelled_pairs(path)


def test_pairs_that_are_not_there_are_said_to_be(module, tmp_path):
    with pytest.raises(ValueError, match=r"found no file .*none\.npz"):
        module("transfer").labelled_pairs(tmp_path / "none.npz")


def test_pairs_are_read_by_name(module, tmp_path):
    path = tmp_path / "pairs.npz"
    plane = np.arange(64).reshape(8, 8)
    np.savez(path, B_image=plane, B_label=plane % 4, A_image=plane, A_label=plane % 2)
    names, images, labels = module("transfer").labelled_pairs(path)
    assert names == ["A", "B"]
    assert images.shape == labels.shape == (2, 8, 8)
    assert labels.max(axis=(1, 2)).tolist() == [1, 3]


def test_a_class_that_is_nowhere_counts_for_no_seed(module):
    scored = np.array([[0.5, np.nan, np.nan], [0.7, 0.2, np.nan]])
    assert module("record").mean_and_spread(scored) == ["0.600 ± 0.141", "0.200 ± 0.000", "–"]


def test_objects_are_matched_whatever_their_outlines_width(module):
    labels = np.zeros((1, 32, 32), dtype=np.uint8)
    labels[0, 4:8, 4:8] = labels[0, 20:24, 4:8] = 2
    generous = np.zeros_like(labels)
    generous[0, 2:10, 2:10] = generous[0, 18:26, 2:10] = 2
    objects_f1 = module("measures").objects_f1
    assert objects_f1(labels, generous, 2) == 1
    generous[0, 2:10, 20:28] = 2  # one that is not labelled: precision 2/3
    assert objects_f1(labels, generous, 2) == pytest.approx(0.8)
    generous[0, 16:, :16] = 0  # one that is missed: precision and recall 1/2
    assert objects_f1(labels, generous, 2) == pytest.approx(0.5)
    assert objects_f1(labels, np.zeros_like(labels), 2) == 0


def test_the_record_is_of_this_phantom():
    from mtneuro_data.phantom import PHANTOM_VERSION

    newest = max((FOLDER.parent / "records" / "fidelity").glob("phantom-*.json"))
    record = json.loads(newest.read_text(encoding="utf-8"))
    assert record["phantom_version"] == PHANTOM_VERSION
    assert len(record["transfer"]["seeds"]) >= 3
