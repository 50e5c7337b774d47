import numpy as np
import pytest
from mtneuro_probe.measures.cells import mean_size
from mtneuro_probe.measures.components import Components
from mtneuro_probe.measures.feature import Feature, in_pixels
from mtneuro_probe.measures.label_images import LabelImages
from mtneuro_probe.registry import LABEL_VALUES, REGISTRY


@pytest.mark.parametrize("name", REGISTRY)
def test_a_feature_says_whether_it_measures_components(monkeypatch, name):
    asked: list[str] = []
    found = LabelImages.components

    def components(images: LabelImages, label: str) -> Components:
        asked.append(label)
        return found(images, label)

    monkeypatch.setattr(LabelImages, "components", components)
    labels = np.random.default_rng(0).integers(0, 4, size=(2, 16, 16))
    feature = REGISTRY[name]
    feature.measure(LabelImages(labels=labels, values=LABEL_VALUES, spacing_um=np.ones(2)), feature.label)
    assert bool(asked) is feature.of_components


def test_only_lengths_get_another_name_and_unit_in_pixels():
    given = {
        "a_size": Feature("µm²", "a", mean_size, of_components=True),
        "a_count": Feature("", "a", mean_size),
    }
    found = in_pixels(given)
    assert list(found) == ["a_size_px", "a_count"]
    assert (found["a_size_px"].unit, found["a_size_px"].factor) == ("px²", 1.0)
    assert found["a_size_px"].of_components
    assert found["a_count"] is given["a_count"]
