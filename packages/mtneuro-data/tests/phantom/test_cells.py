import numpy as np
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.areas import NATIVE_SHAPE, Areas
from mtneuro_data.phantom.bundles import bundle_field
from mtneuro_data.phantom.cells import Cells, cells_near, dendrites, draw_cells
from mtneuro_data.phantom.tubes import REACH, drawn_tubes
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


def ball(centre, *, short=5.0, faint=False, cytoplasm=1.0, nucleolus=0.0):
    one = np.ones(1, dtype=np.float32)
    return Cells(
        centre=np.array([centre], dtype=np.float64),
        short=np.float32(short) * one,
        axis=np.array([[0, 0, 1]], dtype=np.float32),
        ratio=one,
        lobe=np.zeros((1, 3), dtype=np.float32),
        faint=np.array([faint]),
        contrast=one,
        cytoplasm=np.float32(cytoplasm) * one,
        nucleolus=np.float32(nucleolus) * one,
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


def test_a_dark_nucleus_with_a_bright_dot_lies_in_pale_cytoplasm():
    ratio, _ = draw_cells(
        ball((10, 10, 10), short=7.0, cytoplasm=0.6, nucleolus=0.8), (0, 0, 0), (21, 21, 21)
    )
    plain, _ = draw_cells(ball((10, 10, 10), short=7.0), (0, 0, 0), (21, 21, 21))
    dot, nucleus, rim = ratio[10, 10, 10], ratio[10, 10, 13], ratio[10, 10, 16]
    assert nucleus < 0.25
    assert dot > nucleus + 0.6
    assert rim > plain[10, 10, 16] + 0.1
    # A slice that misses the nucleus shows a pale disc.
    assert ratio[4, 10, 10] > plain[4, 10, 10] + 0.15


def test_cells_are_large_in_some_places_and_small_in_others():
    boxes = [((z, 650, 1543), (z + 32, 778, 1671)) for z in range(120, 460, 68)]
    sizes = [np.mean(cells_near(0, AREAS, *box).short) for box in boxes]
    assert max(sizes) > 1.1 * min(sizes)


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
