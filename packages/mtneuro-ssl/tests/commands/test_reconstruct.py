import numpy as np
from PIL import Image

MAE = (
    "encoder=vit",
    "vit.patch=4",
    "vit.width=24",
    "vit.layers=1",
    "mae.decoder_width=12",
    "mae.mask_ratio=0.5",
)


def test_reconstruct_draws_a_row_for_each_image(volume, tmp_path, run, tiny, capsys):
    run("train", volume, "--method", "mae", "-o", tmp_path / "mae", *tiny(*MAE))
    capsys.readouterr()
    run("reconstruct", tmp_path / "mae", volume, "-o", tmp_path / "a.png", "--samples", 2)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (3 * 128 + 2 * 4, 2 * 128 + 4)
        shown = np.asarray(picture)
    with np.load(volume) as file:
        np.testing.assert_array_equal(shown[132::16, :128:16], file["images"][7, 4:12, 4:12])
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"2 images and their reconstructions written to {tmp_path / 'a.png'}"
    assert "each hidden patch is drawn with the mean and contrast that it has in the image" in out[1]
    run("reconstruct", tmp_path / "mae", volume, "-o", tmp_path / "b.png", "--samples", 2, "--seed", 2)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_what_cannot_be_drawn_is_told_in_a_line(volume, tmp_path, run, tiny, capsys):
    run("train", volume, "--method", "untrained", "-o", tmp_path / "other", *tiny("encoder=vit"))
    run("reconstruct", tmp_path / "other", volume, "-o", tmp_path / "a.png", status=2)
    assert "a model must be of method 'mae' to reconstruct images" in capsys.readouterr().err
    run("reconstruct", tmp_path / "other", volume, "-o", tmp_path / "a.png", "--samples", 9, status=2)
    assert "samples must be 1 to the number of images, 8, got 9" in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
