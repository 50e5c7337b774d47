from itertools import combinations

import numpy as np
import pytest
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.appearance import slow_fields
from mtneuro_data.phantom.areas import AREA_NAMES, NATIVE_SHAPE, Areas
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.cells import Cells, cells_near, dendrites, draw_cells
from mtneuro_data.phantom.lattice import site_hash
from mtneuro_data.phantom.spline import SplineGrid, noise, point_noise
from mtneuro_data.phantom.tubes import REACH, Segments, drawn_tubes
from mtneuro_data.phantom.vessels import segments_near

AREAS = Areas(NATIVE_SHAPE, seed=0)
ZI = ((200, 650, 1543), (264, 778, 1671))


def test_cells_keep_their_distance():
    centre = cells_near(0, AREAS, *ZI).centre
    gap = np.linalg.norm(centre[:, None] - centre, axis=2)
    np.fill_diagonal(gap, np.inf)
    assert len(centre) > 50
    assert gap.min() > 10.5


def test_the_cells_of_a_part_are_those_of_the_whole_that_reach_into_it():
    whole = {tuple(place) for place in cells_near(0, AREAS, *ZI).centre}
    part = {tuple(place) for place in cells_near(0, AREAS, (220, 690, 1580), (224, 700, 1600)).centre}
    assert part
    assert part <= whole


def test_vp_keeps_its_cells_between_bundles():
    place = cells_near(0, AREAS, (200, 850, 2551), (300, 1106, 2807)).centre.T
    inside = bundle_field(0, AREAS.at(*place), *place) > 0
    # Bundles take two thirds of the volume, and hold far less than two thirds of the cells.
    assert inside.mean() < 0.55


def ball(centre, *, short=5.0, faint=False):
    one = np.ones(1, dtype=np.float32)
    return Cells(
        centre=np.array([centre], dtype=np.float64),
        short=np.float32(short) * one,
        axis=np.array([[0, 0, 1]], dtype=np.float32),
        ratio=one,
        lobe=np.zeros((1, 3), dtype=np.float32),
        faint=np.array([faint]),
        contrast=one,
        nucleus=0 * one,
        nucleolus=0 * one,
        dendrite=np.array([[[0, 0, 1], [0, 1, 0], [1, 0, 0]]], dtype=np.float32),
        length=np.array([[9, 0, 40]], dtype=np.float32),
    )


def test_a_ball_is_drawn_as_a_ball():
    ratio, soma = draw_cells(ball((10, 10, 10)), (0, 0, 0), (21, 21, 21))
    z, y, x = np.ogrid[-10:11, -10:11, -10:11]
    np.testing.assert_array_equal(soma, z * z + y * y + x * x < 25)
    assert ratio[10, 10, 10] < 0.4
    assert ratio[10, 10, 17] > 1.0  # the halo
    assert ratio[0, 0, 0] == 1


def test_a_faint_soma_is_seen_and_not_annotated():
    ratio, soma = draw_cells(ball((10, 10, 10), faint=True), (0, 0, 0), (21, 21, 21))
    assert ratio.min() < 0.4
    assert not soma.any()


def test_a_soma_reaches_no_further_than_its_box():
    cells = cells_near(0, AREAS, *ZI)
    ratio, soma = draw_cells(cells, ZI[0], tuple(hi - lo for lo, hi in zip(*ZI, strict=True)))
    assert soma.any()
    # What changes the brightness at the rim of a half as wide box is known to that box.
    half = (ZI[1][0], ZI[1][1], 1607)
    left, left_soma = draw_cells(
        cells_near(0, AREAS, ZI[0], half), ZI[0], tuple(hi - lo for lo, hi in zip(ZI[0], half, strict=True))
    )
    np.testing.assert_array_equal(left, ratio[:, :, :64])
    np.testing.assert_array_equal(left_soma, soma[:, :, :64])


def test_dendrites_leave_the_soma_and_taper():
    stems = dendrites(ball((50, 50, 50)))
    # Of the three, the one of no length is not there, and the longest ends where the cell's box does.
    np.testing.assert_allclose(stems.start, [[50, 50, 54], [54, 50, 50]])
    np.testing.assert_allclose(stems.stop[0], [50, 50, 64])
    assert stems.stop[1][0] + stems.radius_stop[1] + REACH < 50 + 28
    assert (stems.radius_stop < 0.5 * stems.radius_start).all()


def test_dendrites_are_seen_and_not_annotated():
    box = ((200, 650, 1543), (208, 778, 1671))
    cells = cells_near(0, AREAS, *box)
    distance, tone = drawn_tubes(dendrites(cells), *box)
    _, soma = draw_cells(cells, box[0], distance.shape)
    vessel = np.minimum(*(drawn_tubes(part, *box)[0] for part in segments_near(0, AREAS, *box).values()))
    alone = (distance < -0.8) & ~soma & (vessel > REACH)
    assert alone.sum() > 100
    voxels = Phantom("image").read_all(*box)
    assert voxels["image"][alone].mean() < 0.85 * np.median(voxels["image"])
    assert not np.isin(voxels["pixel_labels"][alone], (1, 2)).any()
    # They are paler than what they come from.
    assert tone.max() < 0.7 * cells.contrast.max()


def test_a_tube_is_drawn_as_a_tube():
    tube = Segments(
        start=np.array([[8.0, 8.0, 4.0]]),
        stop=np.array([[8.0, 8.0, 24.0]]),
        radius_start=np.array([3.0], dtype=np.float32),
        radius_stop=np.array([3.0], dtype=np.float32),
        tone=np.array([0.5], dtype=np.float32),
    )
    distance, tone = drawn_tubes(tube, (0, 0, 0), (17, 17, 29))
    assert distance[8, 8, 14] == -3
    assert distance[8, 12, 14] == 1
    assert distance[8, 8, 28] == 1  # beyond the end: a round cap
    assert np.unique(tone[distance < 1]).tolist() == [0.5]


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
    # What lies loose inside is a vessel's end that leaves the box and comes back, or none.
    assert vessel.mean() > 0.02
    assert reached.sum() > 0.97 * vessel.sum()


def test_vessels_run_from_capillaries_to_wide_trunks():
    segments = segments_near(0, AREAS, (100, 400, 1000), (400, 1100, 4600))
    widest = {name: 2 * 1.17 * part.radius_start.max() for name, part in segments.items()}
    assert 2 * 1.17 * segments["capillaries"].radius_start.min() < 4
    assert widest["capillaries"] < 9
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
    assert capillaries.tone[steep][thin].mean() < capillaries.tone[steep][~thin].mean() - 0.05
    assert 0.5 < capillaries.tone.min() <= capillaries.tone.max() <= 1


def test_capillaries_lie_in_the_slice_more_often_than_chance():
    capillaries = segments_near(0, AREAS, (100, 400, 1000), (200, 1100, 2600))["capillaries"]
    way = np.abs(capillaries.stop - capillaries.start).sum(axis=0)
    assert way[0] < 0.92 * way[1]
    assert abs(way[1] / way[2] - 1) < 0.1


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


def bundles(region):
    (y, x) = {"STR": (500, 3700), "VP": (850, 2551)}[region]
    y, x = np.arange(y, y + 256.0)[:, None], np.arange(x, x + 256.0)
    z = np.full((1, 1), 200.0)
    return bundle_field(0, AREAS.at(z, y, x), z, y, x) > 0


def test_bundles_lie_along_x_in_striatum():
    inside = bundles("STR")
    assert (inside[:, 16:] != inside[:, :-16]).mean() < 0.6 * (inside[16:] != inside[:-16]).mean()


def test_bundles_lie_diagonally_in_the_ventral_posterior_nucleus():
    inside = bundles("VP")
    rising = (inside[16:, :-16] != inside[:-16, 16:]).mean()
    falling = (inside[16:, 16:] != inside[:-16, :-16]).mean()
    assert rising < 0.6 * falling


@pytest.mark.parametrize(("area", "spread"), [("STR", 0.08), ("VP", 0.2)])
def test_bundles_differ_in_brightness_most_in_the_thalamus(area, spread):
    z, y, x = np.random.default_rng(0).uniform(100, 1400, size=(3, 20_000))
    labels = np.full(z.shape, AREA_NAMES.index(area), dtype=np.uint8)
    _, _, axons, _ = slow_fields(0, 1.0, labels, z, y, x)
    assert abs(axons.std() - spread) < 0.2 * spread
    _, _, alike, _ = slow_fields(0, 0.0, labels, z, y, x)
    assert np.unique(alike).tolist() == [1]


def test_only_some_areas_have_bright_nucleoli():
    brightest = {
        region: cells_near(0, AREAS, (200, y, x), (232, y + 128, x + 128)).nucleolus.max()
        for region, (y, x) in {"CTX": (900, 4600), "ZI": (650, 1543)}.items()
    }
    assert brightest["ZI"] > 3 * brightest["CTX"]


def test_a_wide_vessel_is_near_black_inside():
    box = ((150, 850, 2551), (151, 1106, 2807))
    phantom = Phantom("image")
    distance, _ = drawn_tubes(segments_near(0, AREAS, *box)["trunks"], *box)
    deep = (distance < -3) & (distance > -4)
    assert deep.any()
    assert phantom.read(*box)[deep].mean() < 20


def test_every_area_is_there():
    labels = Phantom("roi_labels").read((300, 0, 0), (301, 1420, 5805))
    assert np.unique(labels).tolist() == list(range(len(AREA_NAMES)))


# --- what they are drawn from


def test_noise_has_mean_zero_and_unit_spread():
    field = noise(0, 1, (0, 0, 0), (64, 96, 96), spacing=(2.0, 2.1, 1.6))
    assert abs(field.mean()) < 0.03
    assert abs(field.std() - 1) < 0.05


def test_point_noise_has_mean_zero_and_unit_spread():
    place = np.random.default_rng(0).uniform(0, 60, size=(3, 200_000))
    for field in point_noise(0, 1, *place, fields=2):
        assert abs(field.mean()) < 0.01
        assert abs(field.std() - 1) < 0.01


def test_the_two_fields_of_point_noise_are_independent():
    place = np.random.default_rng(0).uniform(0, 60, size=(3, 100_000))
    first, second = point_noise(0, 1, *place, fields=2)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02


def test_hashes_are_those_of_this_version():
    site = np.arange(4)
    assert [f"{word:016x}" for word in site_hash(7, 3, site, site, site)] == [
        "88fab0da175766c9",
        "9fd9b173a1456d75",
        "3731f61714bdb357",
        "3f9273062ea3c2c0",
    ]


def test_a_spline_keeps_a_straight_line():
    grid = SplineGrid((3, 0, 0), (9, 4, 4), spacing=(2.5, 4, 4))
    ramp = np.broadcast_to(grid.coordinates[0], grid.shape).astype(np.float32)
    np.testing.assert_allclose(grid.field(ramp)[:, 0, 0], np.arange(3, 9), rtol=1e-5)


@pytest.mark.parametrize("origin", [0, 10**12])
def test_coordinates_may_be_very_large(origin):
    field = noise(0, 1, (origin, 0, 0), (origin + 16, 32, 32), spacing=(2.0, 2.1, 1.6))
    assert abs(field.std() - 1) < 0.2


def test_point_noise_is_the_same_at_a_place_whether_the_others_are_near_or_far():
    rng = np.random.default_rng(0)
    near = [rng.uniform(0, 6, 400) for _ in range(3)]
    together = point_noise(5, 2, *near, fields=2)
    spread = [np.append(axis[:3], far) for axis, far in zip(near, (-900.0, 800.0, 2000.0), strict=True)]
    apart = point_noise(5, 2, *spread, fields=2)
    for dense, sparse in zip(together, apart, strict=True):
        np.testing.assert_array_equal(sparse[:3], dense[:3])
