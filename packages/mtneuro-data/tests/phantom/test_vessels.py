from itertools import combinations

import numpy as np
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.vessels import segments_near

AREAS = Areas(NATIVE_SHAPE, seed=0)
ZI = ((200, 650, 1543), (264, 778, 1671))


def test_vessels_of_neighbouring_boxes_join():
    left = segments_near(0, AREAS, ZI[0], (264, 778, 1607))["capillaries"]
    whole = segments_near(0, AREAS, *ZI)["capillaries"]
    assert {tuple(place) for place in left.start} <= {tuple(place) for place in whole.start}


def test_vessels_run_through_a_box_from_face_to_face():
    vessel = Phantom("pixel_labels").read((200, 650, 1543), (248, 746, 1639)) == 1
    reached = vessel.copy()
    reached[1:-1, 1:-1, 1:-1] = False
    count = 0
    while reached.sum() > count:
        count = reached.sum()
        for axis in range(3):
            for step in (1, -1):
                grown = np.roll(reached, step, axis=axis)
                grown[(slice(None),) * axis + (0 if step == 1 else -1,)] = False
                reached |= grown & vessel
    # What lies loose inside is a vessel that ends blindly, as some do at either end.
    assert vessel.mean() > 0.02
    assert reached.sum() > 0.9 * vessel.sum()


def test_vessels_run_from_capillaries_to_wide_trunks():
    segments = segments_near(0, AREAS, (100, 400, 1000), (400, 1100, 4600))
    widest = {name: 2 * 1.17 * part.radius_start.max() for name, part in segments.items()}
    assert 2 * 1.17 * segments["capillaries"].radius_start.min() < 4
    assert widest["capillaries"] < 12  # where the zona incerta has the most of them
    assert 40 < widest["trunks"] < 55


def test_thin_vessels_and_those_in_the_slice_are_paler():
    capillaries = segments_near(0, AREAS, (100, 400, 1000), (200, 1100, 2600))["capillaries"]
    way = capillaries.stop - capillaries.start
    steep = np.abs(way[:, 0]) > 0.9 * np.linalg.norm(way, axis=1)
    flat = np.abs(way[:, 0]) < 0.3 * np.linalg.norm(way, axis=1)
    assert steep.sum() > 1000 < flat.sum()
    assert capillaries.tone[flat].mean() < capillaries.tone[steep].mean() - 0.08
    assert capillaries.radius_start[flat].mean() < 0.93 * capillaries.radius_start[steep].mean()
    thin = capillaries.radius_start[steep] < 2
    assert capillaries.tone[steep][thin].mean() < capillaries.tone[steep][~thin].mean() - 0.02
    assert 0.5 < capillaries.tone.min() <= capillaries.tone.max() <= 1


def test_capillaries_stay_in_a_slice_or_run_through_it_more_often_than_chance():
    capillaries = segments_near(0, AREAS, (100, 400, 1000), (200, 1100, 2600))["capillaries"]
    way = capillaries.stop - capillaries.start
    length = np.linalg.norm(way, axis=1)
    steep = np.abs(way[:, 0]) / length
    # Of directions drawn at random, 30 % would be that flat and 10 % that steep.
    assert length[steep < 0.3].sum() > 0.33 * length.sum()
    assert length[steep > 0.9].sum() > 0.14 * length.sum()
    along = np.abs(way).sum(axis=0)
    assert abs(along[1] / along[2] - 1) < 0.1


def test_vessels_run_on_smoothly_through_their_joints():
    pieces = segments_near(0, AREAS, (100, 400, 1000), (200, 1100, 1600))["capillaries"]
    way = pieces.stop - pieces.start
    way /= np.linalg.norm(way, axis=1)[:, None]
    ends = {}
    for place, towards in zip(
        np.concatenate([pieces.start, pieces.stop]).round(6), np.concatenate([way, -way]), strict=True
    ):
        ends.setdefault(tuple(place), []).append(towards)
    # Two pieces meet mostly within a curve: they go on within 60 degrees, or come back along the same line.
    turns = [abs(found[0] @ found[1]) for found in ends.values() if len(found) == 2]
    assert len(turns) > 1000
    assert np.quantile(turns, 0.05) > 0.5
    # More meet at joints alone; straight edges would have a median of 0.4 there.
    forks = [abs(a @ b) for found in ends.values() if len(found) > 2 for a, b in combinations(found, 2)]
    assert len(forks) > 1000
    assert np.median(forks) > 0.6


def test_capillaries_are_wider_where_they_are_dense():
    beds = [
        segments_near(0, AREAS, (z, 650, 1543), (z + 48, 906, 1799))["capillaries"]
        for z in range(0, 700, 100)
    ]
    count = np.array([len(bed.tone) for bed in beds])
    width = np.array([bed.radius_start.mean() for bed in beds])
    assert np.corrcoef(count, width)[0, 1] > 0.5
    assert count.std() > 0.25 * count.mean()
