import numpy as np
from mtneuro_data.phantom.lattice import site_hash, uniforms

PAIRS = ((0, 1), (0, 2), (1, 1), (1, 2))


def test_hashes_are_those_of_this_version():
    site = np.arange(4)
    assert [f"{word:016x}" for word in site_hash(7, 3, site, site, site)] == [
        "88fab0da175766c9",
        "9fd9b173a1456d75",
        "3731f61714bdb357",
        "3f9273062ea3c2c0",
    ]


def test_a_site_has_one_hash_in_whatever_grid_it_is_computed():
    z, y, x = np.arange(-2, 2), np.arange(3), np.arange(5)
    grid = site_hash(7, 3, z[:, None, None], y[:, None], x)
    alone = site_hash(7, 3, z[1:2], y[2:3], x[4:5])
    assert grid[1, 2, 4] == alone[0]


def test_seeds_and_streams_draw_different_numbers():
    site = np.arange(1000)
    words = np.concatenate([site_hash(seed, stream, site, site, site) for seed, stream in PAIRS])
    assert len(np.unique(words)) == len(words)


def test_drawn_numbers_fill_the_range_from_0_to_1_evenly():
    (drawn,) = uniforms(site_hash(0, 1, *np.indices((30, 30, 30))), 1)
    counts, _ = np.histogram(drawn, bins=10, range=(0, 1))
    assert counts.sum() == 27_000
    # Five standard deviations of a count of 2700 in 27 000.
    assert np.abs(counts - 2700).max() < 5 * np.sqrt(2700 * 0.9)
