import numpy as np
import pytest
from mtneuro_probe.measures.components import Components
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
