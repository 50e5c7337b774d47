import numpy as np
import pytest
import torch
from mtneuro_ssl import PixelProbeSettings
from mtneuro_ssl.pixel_heads import Decoder, fitted_decoder, fitted_linear_head, map_statistics, upsampled
from sklearn.linear_model import LogisticRegression

SIZE = (10, 13)


def scene(classes: int, *, spread: float = 1.0) -> tuple[torch.Tensor, np.ndarray]:
    """Return correlated maps whose variances lie far apart, and noisy classes of pixels, some unlabelled."""
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(8, 8)) * np.logspace(0, np.log10(spread), 8)
    maps = torch.from_numpy(np.einsum("ij,njhw->nihw", mix, rng.normal(size=(5, 8, 4, 5))) + 3).float()
    shown = upsampled(maps, SIZE).numpy()[:, :classes] + rng.normal(size=(5, classes, *SIZE))
    masks = shown.argmax(axis=1).astype(np.uint8)
    masks[rng.random(masks.shape) < 0.2] = 255
    return maps, masks


@pytest.mark.parametrize("C", [0.01, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_head_is_scikit_learns_regression_on_all_pixels(classes, C):
    maps, masks = scene(classes, spread=1e-3)
    mean, sd = maps.mean(dim=(0, 2, 3)), maps.std(dim=(0, 2, 3), unbiased=False)
    standard = (maps - mean[:, None, None]) / sd[:, None, None]
    pixels = upsampled(standard, SIZE).movedim(1, -1).flatten(0, 2).double().numpy()
    labelled = masks.ravel() != 255
    oracle = LogisticRegression(C=C, tol=1e-8, max_iter=100_000).fit(
        pixels[labelled], masks.ravel()[labelled]
    )
    fitted = fitted_linear_head(maps.clone(), masks, classes=classes, settings=PixelProbeSettings(C=C))
    assert fitted.converged
    with torch.no_grad():
        found = upsampled(fitted.head(maps), SIZE).softmax(dim=1).movedim(1, -1).flatten(0, 2)
    assert found.numpy() == pytest.approx(oracle.predict_proba(pixels), abs=1e-3)


def test_images_in_parts_fit_as_they_do_at_once(monkeypatch):
    maps, masks = scene(3)
    whole, parts = (
        (monkeypatch.setattr("mtneuro_ssl.pixel_heads._BATCH_BYTES", size), fit(maps, masks))[1]
        for size in (1 << 26, 1)
    )
    assert torch.allclose(weight(whole), weight(parts), atol=1e-3)


def fit(maps, masks, **settings):
    return fitted_linear_head(maps.clone(), masks, classes=3, settings=PixelProbeSettings(**settings))


def weight(fitted):
    return fitted.head.get_parameter("weight")


def test_too_few_iterations_are_told():
    maps, masks = scene(3)
    assert not fit(maps, masks, max_iter=2).converged
    assert fit(maps, masks).converged


def test_a_feature_that_never_varies_has_no_weight():
    maps, masks = scene(3)
    maps[:, 2] = 7
    assert weight(fit(maps, masks))[:, 2].abs().max() == 0


def test_statistics_are_over_all_places():
    maps, _ = scene(2)
    mean, sd = map_statistics(maps)
    assert torch.allclose(mean, maps.mean(dim=(0, 2, 3)), atol=1e-5)
    assert torch.allclose(sd, maps.std(dim=(0, 2, 3), unbiased=False), rtol=1e-4)


def test_a_decoder_learns_what_no_line_can_tell():
    # The class is the product of two features' signs.
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.normal(size=(8, 2, 8, 8))).float()
    masks = (maps[:, 0] * maps[:, 1] > 0).numpy().astype(np.uint8)
    settings = PixelProbeSettings(
        head="convolutional", steps=120, filters=16, learning_rate=0.01, batch_size=4
    )
    decoder = fitted_decoder(maps, masks, classes=2, settings=settings)
    line = fitted_linear_head(maps.clone(), masks, classes=2, settings=settings)
    with torch.no_grad():
        right = [
            float((upsampled(each.head(maps), (8, 8)).argmax(dim=1).numpy() == masks).mean())
            for each in (decoder, line)
        ]
    assert right[0] > 0.85
    assert right[1] < 0.65
    assert len(decoder.losses) == 120


def test_a_decoder_is_drawn_and_trained_by_its_seed_and_learns_from_labelled_pixels_alone():
    maps, masks = scene(2)
    with_noise = np.where(masks == 255, 254, masks).astype(np.uint8)

    def weights(truth, seed):
        settings = PixelProbeSettings(head="convolutional", steps=3, filters=4, batch_size=2, seed=seed)
        return fitted_decoder(maps, truth, classes=2, settings=settings).head.state_dict()

    first, same, other = weights(masks, 1), weights(with_noise, 1), weights(masks, 2)
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["convolutions.0.weight"], other["convolutions.0.weight"])


def test_a_batch_without_a_labelled_pixel_changes_nothing_to_nan():
    maps, masks = scene(2)
    masks[0] = 255
    settings = PixelProbeSettings(head="convolutional", steps=10, filters=4, batch_size=1)
    losses = fitted_decoder(maps, masks, classes=2, settings=settings).losses
    assert np.isfinite(losses).all()
    assert 0 in losses


def test_a_decoders_scores_stand_at_four_times_the_maps_resolution():
    assert Decoder(3, 2, filters=4).drawn(seed=0)(torch.zeros(1, 3, 5, 7)).shape == (1, 2, 20, 28)
