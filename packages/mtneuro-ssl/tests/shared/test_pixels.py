import json

import numpy as np
import pytest
from mtneuro_ssl import TrainSettings, load_model, train, untrained
from mtneuro_ssl._shared.intensity import Windowed, windowed
from mtneuro_ssl._shared.pixels import as_pixels, check_image_type, intensity_statistics, scaled, settled

GREY = np.random.default_rng(0).integers(0, 256, (12, 16, 20), dtype=np.uint8)
WIDE = (GREY.astype(np.uint16) + 3) * 9
TYPES = {
    "uint8": GREY,
    "uint16": WIDE,
    "float32": (GREY / 300).astype(np.float32),
    "int16": GREY - np.int16(100),
}


def small(method: str = "byol", **changes: object) -> TrainSettings:
    values: dict[str, object] = {
        "method": method,
        "encoder": "tiny_lab:encoder",
        "batch_size": 4,
        "steps": 2,
        "hidden": 16,
        "projection": 8,
        "latent_dim": 8,
        "components": 4,
        "device": "cpu",
    }
    return TrainSettings.model_validate(values | changes)


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("method", ["byol", "pca"])
def test_a_model_is_trained_on_images_of_any_type_and_states_their_mean_and_spread(method, name, tmp_path):
    images = TYPES[name]
    model = train(images, small(method), out=tmp_path / "model")
    told = json.loads((tmp_path / "model" / "config.json").read_text())["settings"]
    whole = {"uint8": 255, "uint16": 65535, "int16": 32767}.get(name, 1)
    assert (told["normalisation"], told["image_type"]) == ("data", name)
    assert told["mean"] == pytest.approx(float((images / whole).mean()), rel=1e-5)
    assert told["sd"] == pytest.approx(float((images / whole).std()), rel=1e-5)
    loaded = load_model(tmp_path / "model", trusted=("tiny_lab:encoder",))
    np.testing.assert_array_equal(loaded.embed(images), model.embed(images))
    # The same numbers, whatever their type, once each is normalised by its own.
    if method == "byol":
        plain = train(GREY, small(), out=tmp_path / "plain")
        np.testing.assert_allclose(model.embed(images), plain.embed(GREY), rtol=2e-2, atol=2e-3)


@pytest.mark.parametrize("name", ["uint16", "float32"])
def test_streamed_images_of_any_type_give_the_same_model(name, tmp_path):
    images = TYPES[name]
    held = train(images, small(), out=tmp_path / "held")
    streamed = train(images, small(stream=True), out=tmp_path / "streamed")
    np.testing.assert_array_equal(held.embed(images), streamed.embed(images))


def test_given_mean_and_spread_are_used_as_they_are(tmp_path):
    both = {"mean": 0.4894, "sd": 0.1238}
    for settings in (small(**both), small(normalisation="given")):
        assert settings.normalisation == "given"
        kept = settled(settings, GREY)
        assert {"mean": kept.mean, "sd": kept.sd} == both
    assert settled(small(), GREY).mean != 0.4894


def test_a_model_remembers_its_window_and_sees_a_volume_through_it(tmp_path):
    window = (100.0, 1800.0)
    model = train(WIDE, small(intensity=window), out=tmp_path / "wide")
    assert model.settings.intensity == window
    grey = windowed(WIDE, window)
    plain = train(grey, small(), out=tmp_path / "grey")
    np.testing.assert_array_equal(model.embed(WIDE), plain.embed(grey))
    np.testing.assert_array_equal(model.embed(grey), model.embed(WIDE))
    np.testing.assert_array_equal(model.embed(WIDE.astype(">u2")), model.embed(WIDE))


@pytest.mark.usefixtures("unchecked")
def test_images_of_another_type_are_refused_with_the_option(tmp_path):
    model = untrained(small())
    told = r"must be uint8, got uint16 with values from \d+ to \d+; .* --intensity \d+:\d+"
    with pytest.raises(ValueError, match=told):
        model.embed(WIDE)
    wide = train(WIDE, small("pca"), out=tmp_path / "wide")
    with pytest.raises(ValueError, match="images must be uint16, as the model was trained on, got uint8"):
        wide.embed(GREY)


def test_the_same_numbers_of_another_byte_order_are_of_the_same_type():
    settings = settled(small(), WIDE.astype(">u2"))
    assert settings.image_type == "uint16"
    check_image_type(WIDE, settings)


def test_grey_images_are_handed_on_and_volumes_stay_on_the_disk():
    assert as_pixels(GREY, small()) is GREY

    class Lazy:
        shape, dtype = WIDE.shape, WIDE.dtype

        def __getitem__(self, key):
            return WIDE[key]

    np.testing.assert_array_equal(as_pixels(Lazy(), small())[2:4], scaled(WIDE[2:4]))
    assert isinstance(as_pixels(Lazy(), small(intensity=(0, 9))), Windowed)


def test_statistics_of_blocks_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.pixels._BLOCK_BYTES", 1000)
    images = TYPES["float32"] * 255 + 1e4
    mean, spread = intensity_statistics(images)
    assert (mean, spread) == pytest.approx(
        (images.mean() / 255, images.std(dtype=np.float64) / 255), rel=1e-6
    )
    with pytest.raises(ValueError, match="must be finite"):
        intensity_statistics(np.full((2, 4, 4), np.nan, np.float32))
