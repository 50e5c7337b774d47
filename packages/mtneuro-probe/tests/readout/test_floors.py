import numpy as np
import pytest
from mtneuro_probe import floor_embeddings, pixel_statistics, random_projection


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
