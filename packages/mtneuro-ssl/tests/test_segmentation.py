import numpy as np
import pytest
import zarr
from mtneuro_ssl import PixelProbe, TrainSettings, fit_pixel_probe, segment_volume, untrained
from mtneuro_ssl.segmentation import _windows


@pytest.fixture(scope="module")
def probe(lab) -> PixelProbe:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 16, 16), dtype=np.uint8)
    settings = TrainSettings(encoder="tiny_lab:encoder", latent_dim=None, device="cpu")
    return fit_pixel_probe(untrained(settings), images, (images > 100).astype(np.uint8))


class Watched:
    """A volume that counts the pixels of its largest read."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.largest = array, array.shape, array.dtype, 0

    def __getitem__(self, key):
        part = self.array[key]
        self.largest = max(self.largest, part.size)
        return part


@pytest.fixture
def volume() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 37, 50), dtype=np.uint8)


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_each_pixel_is_labelled_by_the_window_whose_middle_is_nearest(probe, volume, overlap, tmp_path):
    found = np.asarray(segment_volume(probe, volume, out=tmp_path / "a.zarr", overlap=overlap)[...])
    rows, columns = (list(_windows(n, 16, overlap)) for n in volume.shape[1:])
    for y, own_y in rows:
        for x, own_x in columns:
            alone = probe.predict(np.ascontiguousarray(volume[:, y, x]))
            inside = alone[:, own_y.start - y.start :, own_x.start - x.start :]
            kept = found[:, own_y, own_x]
            assert np.array_equal(kept, inside[:, : kept.shape[1], : kept.shape[2]])


def test_windows_cover_an_axis_once():
    for length in range(5, 40):
        for overlap in (0.0, 0.3, 0.9):
            windows = list(_windows(length, 5, overlap))
            assert [n for _, own in windows for n in range(own.start, own.stop)] == list(range(length))
            assert all(seen.start <= own.start and own.stop <= seen.stop for seen, own in windows)


def test_slices_smaller_than_the_window_are_labelled_whole(probe, volume, tmp_path):
    small = np.ascontiguousarray(volume[:, :11, :13])
    found = segment_volume(probe, small, out=tmp_path / "a.zarr")
    assert np.array_equal(np.asarray(found[...]), probe.predict(small))


def test_only_a_row_of_windows_is_read_at_a_time(probe, tmp_path):
    reads = []
    for count in (4, 12):
        source = Watched(np.zeros((count, 96, 64), np.uint8))
        segment_volume(probe, source, out=tmp_path / f"{count}.zarr", batch_size=4)
        reads.append(source.largest)
    assert reads == [16 * 64, 16 * 64]


def test_labels_say_what_they_are(probe, volume, tmp_path):
    about = {"voxel_size_um": (1.0, 0.5, 0.5)}
    calls = []
    segment_volume(
        probe, volume, out=tmp_path / "a.zarr", about=about, progress=lambda *call: calls.append(call)
    )
    array = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert (array.shape, array.dtype) == ((5, 37, 50), "uint8")
    assert array.metadata.to_dict()["dimension_names"] == ("z", "y", "x")
    assert array.attrs["class_names"] == ["0", "1"]
    assert array.attrs["voxel_size_um"] == [1.0, 0.5, 0.5]
    assert calls[-1] == (5, 5)


def test_what_is_there_stays_unless_it_may_be_replaced(probe, volume, tmp_path):
    segment_volume(probe, volume, out=tmp_path / "a.zarr")
    with pytest.raises(FileExistsError, match="--force replaces it"):
        segment_volume(probe, volume[:2], out=tmp_path / "a.zarr")
    assert segment_volume(probe, volume[:2], out=tmp_path / "a.zarr", replace=True).shape == (2, 37, 50)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"overlap": 1.0}, r"overlap must be in \[0, 1\), got 1.0"),
        ({"window": (0, 8)}, "window must be at least 1 pixel along y and x, got 0 x 8"),
    ],
)
def test_wrong_windows_are_refused(wrong, reason, probe, volume, tmp_path):
    with pytest.raises(ValueError, match=reason):
        segment_volume(probe, volume, out=tmp_path / "a.zarr", **wrong)
    assert not list(tmp_path.iterdir())


def test_images_of_another_type_are_refused_before_anything_is_written(probe, volume, tmp_path):
    with pytest.raises(ValueError, match="uint16"):
        segment_volume(probe, volume.astype(np.uint16), out=tmp_path / "a.zarr")
    assert not list(tmp_path.iterdir())
