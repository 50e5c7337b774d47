"""What fidelity is measured by: it must not hang on how a tile was stretched, nor accept nonsense."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
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


RECORDS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((FOLDER.parent / "records" / "fidelity").glob("phantom-*.json"))
]


def test_the_newest_record_is_of_this_phantom():
    from mtneuro_data.phantom import PHANTOM_VERSION

    record = RECORDS[-1]
    assert record["phantom_version"] == PHANTOM_VERSION
    assert {"statistics", "difficulty", "variety", "transfer"} <= record.keys()


def test_an_earlier_version_stands_beside_this_one(module, tmp_path):
    record = module("record")
    parts = {part: RECORDS[-1][part] for part in ("difficulty", "variety")}
    earlier = tmp_path / "earlier.json"
    measured = parts["variety"]["region alone"]["cell_size"]["phantom"][0]
    text = json.dumps({"phantom_version": 6, **parts}).replace(str(measured), "0.125")
    earlier.write_text(text, encoding="utf-8")
    written = record.write_record(parts, tmp_path, before=record.earlier_record(earlier))
    section = written.read_text(encoding="utf-8").split("## Version 6 beside version")[1]
    assert re.search(r"cell_size \| [^|]+ \| 0\.12 \[[^|]+ \| 0\.[3-9]", section)
    assert "beside version" not in record.write_record(parts, tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize("content", [None, b"\xff", b"[]", b"{}"])
def test_what_is_no_record_is_refused(module, tmp_path, content):
    path = tmp_path / "earlier.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"--before must be a record.*earlier\.json"):
        module("record").earlier_record(path)


def test_transfer_was_measured_with_three_seeds():
    measured = [len(record["transfer"]["seeds"]) for record in RECORDS]
    assert min(measured) >= 3


def stripes(period, level, contrast=20.0, *, size=256):
    column = level + contrast * np.sin(2 * np.pi * np.arange(size) / period)
    return np.broadcast_to(column, (size, size)).round().astype(np.uint8)


def test_corners_are_means_of_blocks_row_by_row(module):
    crop = np.zeros((16, 16), dtype=np.uint8)
    crop[:8, 8:] = 8
    crop[8:, :8] = 100
    crop[8, 0] = 104
    found = module("floors").corners(crop, 4)
    assert found.shape == (4, 2, 2)
    assert found[:3].tolist() == [[[0, 0], [0, 0]], [[8, 8], [8, 8]], [[100, 100], [100, 100]]]


def test_a_histogram_sees_levels_and_a_spectrum_does_not(module):
    floors = module("floors")
    dark, bright = (stripes(16, level, size=64)[None] for level in (80, 150))
    assert floors.histogram(dark).sum() == pytest.approx(1)
    assert np.abs(floors.histogram(dark) - floors.histogram(bright)).sum() > 1
    np.testing.assert_allclose(floors.spectrum(dark), floors.spectrum(bright), atol=0.05)


def test_a_spectrums_peak_is_its_period_and_its_shape_knows_no_contrast(module):
    floors = module("floors")
    faint, strong = (stripes(16, 120, contrast, size=64)[None] for contrast in (30, 60))
    assert floors.spectrum(faint).argmax() == 64 / 16 - 1
    peak = (floors.spectrum(strong) - floors.spectrum(faint)).max()
    assert peak == pytest.approx(np.log10(4), abs=0.05)
    np.testing.assert_allclose(floors.spectrum_shape(faint).mean(), 0, atol=1e-12)


@pytest.fixture
def alike():
    """Crops of four regions that differ by level alone, alike in every set."""
    levels = {"CTX": 60, "STR": 100, "VP": 140, "ZI": 180}
    return {(region, name): stripes(16, level) for region, level in levels.items() for name in "ABCD"}


def test_what_differs_between_regions_alone_is_found_in_every_set(module, alike):
    floors = module("floors")
    for name, expected in (("mean and sd", 1.0), ("32-bin histogram", 1.0), ("its shape only", 0.25)):
        score = floors.across_sets(alike, floors.FLOORS[name], 4)
        assert score.shape == (16,)
        assert score.mean() == pytest.approx(expected)


def test_a_shift_between_sets_is_what_makes_it_hard(module, alike):
    floors = module("floors")
    shifted = {cube: crop + np.uint8(20 * "ABCD".index(cube[1])) for cube, crop in alike.items()}
    assert floors.across_sets(shifted, floors.mean_and_sd, 4).mean() < 0.8


def test_an_interval_is_of_the_mean_over_cubes(module):
    accuracy = module("floors").Accuracy
    found = accuracy.over(np.array([0.0, 1.0] * 50))
    assert found.mean == 0.5
    assert found.low == pytest.approx(0.4, abs=0.03)
    assert found.holds(accuracy(0.58, 0, 1))
    assert not found.holds(accuracy(0.65, 0, 1))
    assert str(accuracy(0.5, 0.4, 0.6)) == "0.50 [0.40, 0.60]"


def test_the_region_alone_explains_what_differs_between_regions(module):
    variety = module("variety")
    table = pd.DataFrame({"cell_size": [9.0, 11.0]})
    far = {"CTX": table, "STR": table + 20, "VP": pd.DataFrame({"axon_density": [1.0]})}
    # 4 inside the regions of 404 in all.
    assert variety.region_alone(far, "cell_size") == pytest.approx(1 - 4 / 404)
    assert variety.region_alone({"CTX": table, "STR": table}, "cell_size") == pytest.approx(0)
    assert variety.variation(table) == {"cell_size": pytest.approx(0.1)}


def test_a_blind_sheet_has_as_many_real_tiles_of_every_region_and_no_order(module):
    blind = module("blind")
    tiles = blind.drawn_tiles(0, 24)
    assert [(tile.source == blind.REAL, tile.region) for tile in tiles] != sorted(
        (tile.source == blind.REAL, tile.region) for tile in tiles
    )
    for region in ("CTX", "STR", "VP", "ZI"):
        assert [tile.source == "real" for tile in tiles if tile.region == region].count(True) == 3
    assert tiles == blind.drawn_tiles(0, 24)
    assert tiles != blind.drawn_tiles(1, 24)
