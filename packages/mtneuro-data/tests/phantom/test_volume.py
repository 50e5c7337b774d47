import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mtneuro_data.phantom import CHANNELS, Phantom

# Where the benchmark's 16 cubes start, (y, x); each is 256 x 256.
CUBES = {
    "CTX": ((900, 4600), (388, 5312), (644, 5056), (400, 4600)),
    "STR": ((500, 3700), (912, 3828), (400, 3344), (244, 3800)),
    "VP": ((850, 3063), (850, 2551), (950, 2151), (694, 2295)),
    "ZI": ((650, 1543), (906, 1287), (906, 1031), (650, 1799)),
}

REGION_OF_AREA = np.array([0, 0, 1, 2, 2, 3, 3, 3, 1])

# Percent of background, vessel, cell and axon in the published annotation (paper, appendix 4.2.3).
PROPORTIONS = {
    "CTX": (93.0, 2.33, 4.64, 0.0),
    "STR": (72.63, 2.5, 5.66, 19.22),
    "VP": (22.75, 4.73, 5.73, 66.8),
    "ZI": (32.15, 5.4, 9.41, 53.04),
}

# A box over striatum, internal capsule, reticular and ventral posterior nucleus.
MIXED = ((200, 980, 3300), (212, 1020, 3720))


@pytest.fixture(scope="module")
def mixed():
    return {channel: Phantom(channel).read(*MIXED) for channel in CHANNELS}


@st.composite
def boxes(draw):
    lower, upper = [], []
    for lo, hi in zip(*MIXED, strict=True):
        a = draw(st.integers(lo, hi - 1))
        lower.append(a)
        upper.append(draw(st.integers(a + 1, min(hi, a + 40))))
    return tuple(lower), tuple(upper)


@given(box=boxes(), channel=st.sampled_from(CHANNELS))
@settings(max_examples=25, deadline=None)
def test_a_box_is_the_same_however_it_is_cut(mixed, box, channel):
    lower, upper = box
    inside = tuple(slice(a - lo, b - lo) for a, b, lo in zip(lower, upper, MIXED[0], strict=True))
    np.testing.assert_array_equal(Phantom(channel).read(lower, upper), mixed[channel][inside])


@pytest.mark.parametrize("channel", CHANNELS)
def test_slices_stack_to_the_box(mixed, channel):
    (z0, y0, x0), (z1, y1, x1) = MIXED
    phantom = Phantom(channel)
    slices = [phantom.read((z, y0, x0), (z + 1, y1, x1)) for z in reversed(range(z0, z1))]
    np.testing.assert_array_equal(np.concatenate(slices[::-1]), mixed[channel])


def test_a_box_across_inner_tiles_agrees_with_its_parts():
    phantom = Phantom("image")
    whole = phantom.read((100, 900, 4300), (140, 930, 4600))
    np.testing.assert_array_equal(
        whole[30:36, 7:20, 240:290], phantom.read((130, 907, 4540), (136, 920, 4590))
    )


def test_reading_all_channels_agrees_with_reading_each(mixed):
    together = Phantom("image").read_all(*MIXED)
    assert together.keys() == mixed.keys()
    for channel, voxels in together.items():
        np.testing.assert_array_equal(voxels, mixed[channel])


def test_another_process_computes_the_same_voxels(mixed):
    code = (
        "import sys; from mtneuro_data.phantom import Phantom;"
        f"sys.stdout.buffer.write(b''.join(Phantom(c).read(*{MIXED!r}).tobytes() for c in {CHANNELS!r}))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert child.stdout == b"".join(mixed[channel].tobytes() for channel in CHANNELS)


def test_labels_are_those_of_this_version(mixed):
    # Changes with PHANTOM_VERSION only. Labels, not grey levels: those may differ by one between processors.
    assert set(np.unique(mixed["roi_labels"])) == {2, 3, 4, 6}
    digest = hashlib.sha256(mixed["roi_labels"].tobytes() + mixed["pixel_labels"].tobytes()).hexdigest()
    assert digest[:16] == "0c9298076d8182c3"


def test_grey_levels_are_those_of_this_version_but_for_rounding(mixed):
    # Changes with PHANTOM_VERSION only; processors may round differently.
    expected = [
        [153, 123, 161, 211, 176, 124, 191, 143, 231, 169, 127, 207, 136, 201, 178, 117, 136, 186, 196, 145],
        [185, 140, 135, 218, 194, 153, 129, 158, 214, 202, 141, 192, 144, 208, 191, 158, 189, 153, 195, 154],
        [129, 179, 144, 198, 188, 160, 177, 11, 199, 192, 157, 176, 149, 246, 160, 154, 111, 180, 229, 208],
    ]  # fmt: skip
    found = mixed["image"][::4, ::13, ::90].reshape(3, -1).astype(int)
    np.testing.assert_allclose(found, expected, atol=1)


def test_another_seed_is_another_volume(mixed):
    assert (Phantom("image", seed=1).read(*MIXED) != mixed["image"]).mean() > 0.9


@pytest.mark.parametrize("region", CUBES)
@pytest.mark.parametrize("z", [109, 159, 290, 380, 469])
def test_every_cube_lies_in_its_region(region, z):
    for y, x in CUBES[region]:
        labels = Phantom("roi_labels").read((z, y, x), (z + 1, y + 256, x + 256))
        assert labels.all()
        share = (
            np.bincount(REGION_OF_AREA[labels.ravel()], minlength=4)[list(CUBES).index(region)] / labels.size
        )
        assert share > 0.75


@pytest.mark.parametrize("region", CUBES)
def test_class_proportions_are_within_two_points_of_the_papers(region):
    phantom = Phantom("pixel_labels")
    labels = [
        phantom.read((z, y, x), (z + 1, y + 256, x + 256))
        for y, x in CUBES[region]
        for z in range(111, 470, 36)
    ]
    percent = 100 * np.bincount(np.concatenate(labels).ravel(), minlength=4) / np.concatenate(labels).size
    np.testing.assert_allclose(percent, PROPORTIONS[region], atol=2)


def test_set_a_has_the_real_cubes_grey_levels():
    # Means at z=159 of the published slice.
    for region, mean in {"CTX": 112.6, "STR": 116.7, "VP": 133.4, "ZI": 126.8}.items():
        y, x = CUBES[region][0]
        image = Phantom("image").read((159, y, x), (160, y + 256, x + 256))
        assert abs(image.mean() - mean) < 12
        assert 15 < image.std() < 50


def test_a_huge_phantom_opens_and_reads_at_once():
    phantom = Phantom("image", shape=(100_000, 100_000, 100_000), seed=3)
    place = (50_000, 60_000, 90_000)
    voxels = phantom.read(place, (50_001, 60_032, 90_032))
    assert voxels.shape == (1, 32, 32)
    assert voxels.std() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channel": "images"}, "channel must be one of image, roi_labels, pixel_labels, got 'images'"),
        ({"channel": "image", "shape": (0, 5, 5)}, r"shape must be three positive sizes .* got \(0, 5, 5\)"),
        ({"channel": "image", "seed": -1}, "seed must be 0 or more, got -1"),
    ],
)
def test_invalid_arguments_of_a_phantom_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phantom(arguments.pop("channel"), **arguments)


@pytest.mark.parametrize(
    ("lower", "upper", "message"),
    [
        (
            (0, 0, 5800),
            (1, 8, 6056),
            r"x range must be non-empty and lie within \[0, 5805\), got \[5800, 6056\)",
        ),
        ((-1, 0, 0), (1, 8, 8), r"z range .* got \[-1, 1\)"),
        ((0, 8, 0), (1, 8, 8), r"y range .* got \[8, 8\)"),
    ],
)
def test_a_box_out_of_the_volume_is_refused(lower, upper, message):
    with pytest.raises(ValueError, match=message):
        Phantom("image").read(lower, upper)


def test_importing_and_reading_leaves_heavy_libraries_out():
    code = (
        "import sys; from mtneuro_data.phantom import Phantom; Phantom('image').read((0, 0, 0), (1, 8, 8));"
        "print(sorted({'torch', 'scipy', 'sklearn', 'matplotlib', 'numba'} & sys.modules.keys()))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert child.stdout == "[]\n"


def test_voxels_grow_with_the_level():
    assert Phantom("image").voxel_size_um_at(1) == (2.34, 2.34, 2.34)


@pytest.mark.parametrize("level", [-1, 8])
def test_a_level_that_is_not_there_is_refused(level):
    with pytest.raises(ValueError, match=f"level must be 0 to 7, got {level}"):
        Phantom("image").read((0, 0, 0), (1, 1, 1), level=level)


def test_a_box_out_of_a_level_is_refused():
    with pytest.raises(ValueError, match=r"x range .* within \[0, 2903\), got \[2900, 2904\)"):
        Phantom("image").read((0, 0, 2900), (1, 1, 2904), level=1)
