import numpy as np
import pytest
import zarr
from mtneuro_ssl import load_model, load_pixel_probe


@pytest.fixture
def probe(volume, tmp_path, run, tiny):
    """A model and a probe of the bright pixels, in two folders."""
    run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny("encoder=timm/test_resnet"))
    with np.load(volume) as file:
        np.save(tmp_path / "masks.npy", (file["images"] > 128).astype(np.uint8))
    run("probe", tmp_path / "model", volume, tmp_path / "masks.npy", "-o", tmp_path / "probe")
    return tmp_path / "model", tmp_path / "probe"


def test_a_volume_is_labelled_as_the_probe_predicts_it(probe, volume, tmp_path, run, capsys):
    run("segment", *probe, volume, "-o", tmp_path / "labels.zarr", "--z", "2:6")
    assert f"labels (4, 16, 16) written to {tmp_path / 'labels.zarr'}" in capsys.readouterr().out
    labels = zarr.open_array(tmp_path / "labels.zarr", mode="r")
    with np.load(volume) as file:
        predicted = load_pixel_probe(probe[1], load_model(probe[0])).predict(file["images"][2:6])
        assert labels.attrs["sample_id"] == file["sample_id"][2:6].tolist()
    assert np.array_equal(np.asarray(labels[...]), predicted)


def test_what_is_there_is_replaced_only_by_force(probe, volume, tmp_path, run, capsys):
    for more, status in (((), 0), ((), 2), (("--force",), 0)):
        run("segment", *probe, volume, "-o", tmp_path / "labels.zarr", *more, status=status)
    assert "--force replaces it" in capsys.readouterr().err


def test_wrong_outputs_are_refused_before_any_work(volume, tmp_path, run, capsys):
    nothing = (tmp_path / "none", tmp_path / "none")
    run("segment", *nothing, volume, "-o", tmp_path / "labels.npy", status=2)
    assert "labels must be written to a .zarr, got" in capsys.readouterr().err
    zarr.create_array(tmp_path / "volume.zarr", shape=(2, 8, 8), dtype="uint8")
    run(
        "segment", *nothing, tmp_path / "volume.zarr", "-o", tmp_path / "volume.zarr", "--force", status=2
    )  # fmt: skip
    assert "VOLUME and --output must be different files" in capsys.readouterr().err


def test_a_model_in_the_place_of_a_probe_is_refused(probe, volume, tmp_path, run, capsys):
    run("segment", probe[0], probe[0], volume, "-o", tmp_path / "labels.zarr", status=2)
    assert "must be of kind 'pixel probe'" in capsys.readouterr().err
