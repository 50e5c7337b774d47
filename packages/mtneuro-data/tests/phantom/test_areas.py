import numpy as np
from mtneuro_data.phantom import Phantom
from mtneuro_data.phantom.areas import AREA_NAMES


def test_every_area_is_there():
    labels = Phantom("roi_labels").read((300, 0, 0), (301, 1420, 5805))
    assert np.unique(labels).tolist() == list(range(len(AREA_NAMES)))


def test_outlines_stretch_to_another_shape():
    native = Phantom("roi_labels").read((360, 0, 0), (361, 1420, 5805))[0]
    half = Phantom("roi_labels", shape=(720, 710, 2902)).read((360, 0, 0), (361, 710, 2902))[0]
    assert (native[::2, ::2][:710, :2902] == half).mean() > 0.98
