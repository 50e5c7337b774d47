import zarr
from PIL import Image


def test_map_writes_a_zarr_and_a_picture(volume, tmp_path, run, tiny, capsys):
    run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny())
    run(
        "map", tmp_path / "model", volume, "-o", tmp_path / "map.zarr", "--window", 8, 8,
        "--z", "2:4", "--picture", tmp_path / "map.png",
    )  # fmt: skip
    found = zarr.open_array(tmp_path / "map.zarr")
    assert found.shape == (2, 3, 3, 6)
    with Image.open(tmp_path / "map.png") as picture:
        assert picture.size == (16, 16)
        assert picture.mode == "RGB"
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"3 x 3 windows of 2 slices written to {tmp_path / 'map.zarr'}",
        f"picture written to {tmp_path / 'map.png'}",
    ]


def test_a_map_by_a_model_of_subvolumes_has_an_entry_for_each(volume, tmp_path, run, tiny, capsys):
    deep = tiny("depth=3", "encoder=tiny_lab:encoder_3d")
    run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *deep)
    run(
        "map", tmp_path / "model", volume, "-o", tmp_path / "map.zarr", "--window", 8, 8,
        "--picture", tmp_path / "map.png", "--trust", "tiny_lab:encoder_3d",
    )  # fmt: skip
    assert zarr.open_array(tmp_path / "map.zarr").shape == (2, 3, 3, 6)
    said = capsys.readouterr().out
    assert f"3 x 3 windows of 2 subvolumes of 3 slices written to {tmp_path / 'map.zarr'}" in said
    assert (tmp_path / "map.png").is_file()


def test_a_picture_of_another_format_is_refused_before_any_work(volume, tmp_path, run, capsys):
    run("map", tmp_path / "model", volume, "-o", tmp_path / "map.zarr", "--window", 8, 8, "--picture",
        "map.jpg", status=2)  # fmt: skip
    assert "a picture must be written to a .png, got 'map.jpg'" in capsys.readouterr().err
    assert not (tmp_path / "map.zarr").exists()
