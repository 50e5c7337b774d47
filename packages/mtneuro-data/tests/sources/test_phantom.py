import numpy as np
import pytest
from mtneuro_data import open_volume


def test_a_phantoms_levels_and_looks_are_part_of_its_address() -> None:
    from mtneuro_data.phantom import Appearance, Phantom

    look = Appearance(texture=0.5, halo=0)
    coarse = open_volume("phantom://image?seed=3&level=1&texture=0.5&halo=0")
    assert (coarse.shape, coarse.voxel_size_um) == ((360, 710, 2903), (2.34, 2.34, 2.34))
    right = Phantom("image", seed=3, appearance=look).read((100, 500, 2300), (104, 516, 2320), level=1)
    np.testing.assert_array_equal(coarse[100:104, 500:516, 2300:2320], right)


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("phantom://labels", "the channel must be one of image, pixel_labels, roi_labels, got 'labels'"),
        ("phantom://image?sead=1", "got 'sead'; did you mean 'seed'"),
        ("phantom://image?seed=x", "seed must be one whole number"),
        ("phantom://image?shape=1,2", "shape must be three positive sizes"),
        ("phantom://image?shape=0,2,2", "shape must be three positive sizes"),
        ("phantom://image?level=x", "level must be one whole number"),
        ("phantom://image?level=8", "level must be 0 to 7, got 8"),
        ("phantom://image?texture=-1", "texture must be a strength of 0 or more"),
        ("phantom://image?halo=bright", "halo must be a strength of 0 or more"),
    ],
)
def test_a_malformed_phantom_uri_is_refused(uri: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        open_volume(uri)


def test_a_phantoms_channels_state_their_kind() -> None:
    kinds = [open_volume(f"phantom://{name}").kind for name in ("image", "pixel_labels", "roi_labels")]
    assert kinds == ["image", "annotation", "annotation"]
