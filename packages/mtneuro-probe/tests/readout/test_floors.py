import numpy as np
import pytest
from mtneuro_probe import (
    floor_embeddings,
    intensity_histogram,
    pixel_statistics,
    power_spectrum,
    random_projection,
)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size=(6, 20, 24), dtype=np.uint8)


def test_statistics_are_those_of_each_image(images):
    expected = np.stack([images.mean(axis=(1, 2)), images.std(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(pixel_statistics(images), expected, rtol=1e-6)
    volumes = images.reshape(3, 2, 20, 24)
    assert pixel_statistics(volumes)[0, 0] == pytest.approx(images[:2].mean())


def test_a_projection_keeps_distances_about(images):
    vectors = random_projection(images, n_components=4000)
    pixels = images.reshape(6, -1).astype(float)
    for a, b in ((0, 1), (2, 5)):
        expected = np.linalg.norm(pixels[a] - pixels[b]) / np.sqrt(pixels.shape[1])
        assert np.linalg.norm(vectors[a] - vectors[b]) / np.sqrt(4000) == pytest.approx(expected, rel=0.1)


def test_a_projection_is_linear_and_the_same_for_a_seed(images):
    both = random_projection(images[:2].astype(np.float32) + images[2:4], n_components=8)
    parts = random_projection(images, n_components=8)
    np.testing.assert_allclose(both, parts[:2] + parts[2:4], rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(parts, random_projection(images, n_components=8))
    np.testing.assert_allclose(parts[:3], random_projection(images[:3], n_components=8), rtol=1e-4)
    assert (random_projection(images, n_components=8, seed=1) != parts).any()


def test_both_floors_have_names(images):
    floors = floor_embeddings(images, n_components=5)
    assert {name: x.shape for name, x in floors.items()} == {"pixels": (6, 2), "random": (6, 5)}
    assert all(x.dtype == np.float32 for x in floors.values())


@pytest.mark.parametrize(("pixels", "told"), [(np.zeros(3), "stack"), (np.full((1, 2, 2), np.nan), "finite")])
def test_what_is_no_stack_of_finite_images_is_refused(pixels, told):
    with pytest.raises(ValueError, match=told):
        pixel_statistics(pixels)


def test_a_projection_on_nothing_is_refused(images):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        random_projection(images, n_components=0)


def test_a_histogram_is_that_of_numpy(images):
    expected = [np.histogram(image, bins=32, range=(0, 256))[0] / image.size for image in images]
    np.testing.assert_allclose(intensity_histogram(images), expected, rtol=1e-6)
    volumes = intensity_histogram(images.reshape(3, 2, 20, 24))
    np.testing.assert_allclose(volumes[0], np.mean(expected[:2], axis=0), rtol=1e-6)


def test_a_histogram_of_other_types_has_the_limits_that_are_given(images):
    scaled = images.astype(np.float32) / 255
    np.testing.assert_allclose(
        intensity_histogram(scaled, limits=(0, 256 / 255)), intensity_histogram(images), atol=1e-6
    )
    beyond = intensity_histogram(np.array([[[-1.0, 0.2], [0.7, 9]]]), bins=2, limits=(0, 1))
    assert beyond.tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="limits must be given for images of type float32"):
        intensity_histogram(scaled)
    with pytest.raises(ValueError, match="lower end first, got 1 and 0"):
        intensity_histogram(scaled, limits=(1, 0))
    with pytest.raises(ValueError, match="bins must be at least 1, got 0"):
        intensity_histogram(images, bins=0)


def test_a_spectrum_is_the_mean_of_the_transform_over_rings(images):
    square = images[:, :, :20].astype(float)
    window = np.hanning(20)
    found = power_spectrum(images[:, :, :20])
    assert found.shape == (6, 9)
    for image, row in zip(square, found, strict=True):
        power = np.abs(np.fft.fft2((image - image.mean()) * np.outer(window, window))) ** 2
        rings: dict[int, list[float]] = {}
        for i in range(20):
            for j in range(20):
                y, x = (k if k < 10 else k - 20 for k in (i, j))
                rings.setdefault(int(np.sqrt(y * y + x * x)), []).append(power[i, j])
        expected = [np.log10(1 + np.mean(rings[step]) / (window**2).sum() ** 2) for step in range(1, 10)]
        np.testing.assert_allclose(row, expected, rtol=1e-5)


def test_a_spectrum_is_of_whole_numbers_and_of_shares_of_one_alike_and_of_no_direction(images):
    found = power_spectrum(images)
    shares = power_spectrum(images.astype(np.float64) / 255)
    np.testing.assert_allclose(shares, found - 2 * np.log10(255), rtol=1e-5)
    np.testing.assert_allclose(power_spectrum(images.transpose(0, 2, 1)), found, rtol=1e-4)
    assert power_spectrum(np.full((1, 8, 8), 9, np.uint8)).tolist() == [[0, 0, 0]]


def test_an_image_too_small_for_a_spectrum_is_refused():
    with pytest.raises(ValueError, match="at least 4 pixels a side, got 3 x 9"):
        power_spectrum(np.zeros((1, 3, 9)))
