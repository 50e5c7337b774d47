import numpy as np
from mtneuro_probe.measures.density import density
from mtneuro_probe.measures.label_images import LabelImages


def test_density_is_the_share_of_the_pixels():
    labels = np.zeros((2, 2, 4), np.uint8)
    labels[0, 0, :3] = 5
    images = LabelImages(labels=labels, values={"synapse": 5}, spacing_um=np.array([2.0, 1.0]))
    assert density(images, "synapse").tolist() == [3 / 8, 0]
