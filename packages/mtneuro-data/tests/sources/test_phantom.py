import numpy as np
from mtneuro_data import open_volume


def test_a_phantoms_levels_and_looks_are_part_of_its_address() -> None:
    from mtneuro_data.phantom import Appearance, Phantom

    look = Appearance(texture=0.5, halo=0)
    coarse = open_volume("phantom://image?seed=3&level=1&texture=0.5&halo=0")
    assert (coarse.shape, coarse.voxel_size_um) == ((360, 710, 2903), (2.34, 2.34, 2.34))
    right = Phantom("image", seed=3, appearance=look).read((100, 500, 2300), (104, 516, 2320), level=1)
    np.testing.assert_array_equal(coarse[100:104, 500:516, 2300:2320], right)
