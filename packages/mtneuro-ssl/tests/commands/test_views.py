from PIL import Image


def test_views_draws_a_row_for_each_image(volume, tmp_path, run, tiny, capsys):
    run("views", volume, "-o", tmp_path / "views.png", "--samples", 2, *tiny())
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.size == (3 * 16 + 2 * 4, 2 * 16 + 4)
    assert capsys.readouterr().out == f"2 images and their views written to {tmp_path / 'views.png'}\n"


def test_with_a_model_there_is_a_column_of_mined_views(volume, tmp_path, run, tiny):
    run("train", volume, "--method", "untrained", "-o", tmp_path / "model", *tiny())
    run("views", volume, "-o", tmp_path / "views.png", "--samples", 2, "--model", tmp_path / "model", *tiny())
    with Image.open(tmp_path / "views.png") as picture:
        assert picture.size == (4 * 16 + 3 * 4, 2 * 16 + 4)
