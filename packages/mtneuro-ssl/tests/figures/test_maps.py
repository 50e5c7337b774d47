import numpy as np
from mtneuro_ssl import Grid, colour_picture, principal_colours
from mtneuro_ssl.figures.maps import tissue_windows


def test_colours_are_the_first_three_components():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 20, 3)) * [9, 4, 1]
    directions = np.linalg.qr(rng.normal(size=(8, 3)))[0]
    embeddings = scores @ directions.T
    embeddings[0, 0] = np.nan
    colours = principal_colours(embeddings)
    assert colours.shape == (30, 20, 3)
    assert colours[0, 0].tolist() == [0, 0, 0]
    for component in range(3):
        shown = colours[1:, :, component].ravel().astype(float)
        assert abs(np.corrcoef(shown, scores[1:, :, component].ravel())[0, 1]) > 0.95
    assert principal_colours(embeddings[..., :2])[..., 2].max() == 0
    inside = np.ones((30, 20), bool)
    inside[:, :10] = False
    half = principal_colours(embeddings, inside=inside)
    assert half[:, :10].max() == 0
    np.testing.assert_array_equal(half[:, 10:], principal_colours(embeddings[:, 10:]))


def test_a_pixel_has_the_colour_of_its_nearest_window_over_its_own_grey():
    slice_ = np.random.default_rng(0).integers(60, 200, (12, 20), dtype=np.uint8)
    slice_[:, :8] = 0
    grid = Grid(size=(12, 20), window=(4, 4), stride=(4, 4))
    embeddings = np.random.default_rng(1).normal(size=(*grid.shape, 6))
    picture = colour_picture(embeddings, slice_, grid)
    assert picture.shape == (12, 20, 3)
    assert (picture[:, :8] == 0).all()  # no tissue
    colours = principal_colours(embeddings, inside=tissue_windows(slice_, grid))
    for y, x in ((0, 8), (5, 13), (11, 19)):
        wanted = 0.65 * colours[y // 4, x // 4] + 0.35 * slice_[y, x]
        np.testing.assert_allclose(picture[y, x], wanted, atol=0.5)


def test_a_picture_of_a_large_slice_is_smaller(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl.figures.maps._SIDE", 10)
    grid = Grid(size=(12, 20), window=(4, 4), stride=(4, 4))
    embeddings = np.random.default_rng(1).normal(size=(*grid.shape, 6))
    assert colour_picture(embeddings, np.full((12, 20), 9, np.uint8), grid).shape == (6, 10, 3)


def test_what_is_mostly_black_is_no_tissue():
    image = np.full((8, 16), 200, np.uint8)
    image[:, :7] = 0
    image[:, 3:7] = 20  # nearly black
    grid = Grid(size=(8, 16), window=(4, 4), stride=(4, 4))
    assert tissue_windows(image, grid).tolist() == [[False, False, True, True]] * 2
