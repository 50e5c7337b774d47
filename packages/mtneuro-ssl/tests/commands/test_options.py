import pytest
from mtneuro_ssl.commands.options import chosen_settings


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('method = "myow"\ndevice = "auto"\nseed = 3\n[views]\nflip = 0.25\nnoise = 0.1\n')
    return path


def test_a_change_overrides_the_file_and_an_option_overrides_both(file):
    chosen = chosen_settings(file, ("method=byol", "seed=4"), method="pca")
    assert (chosen.method, chosen.seed, chosen.device) == ("pca", 4, "auto")


def test_an_option_that_is_not_given_leaves_the_file_as_it_is(file):
    assert chosen_settings(file, (), method=None, device=None).method == "myow"


def test_a_dotted_change_leaves_the_rest_of_its_table(file):
    views = chosen_settings(file, ("views.flip=1",)).views
    assert (views.flip, views.noise) == (1, 0.1)


def test_without_a_file_settings_start_from_the_defaults():
    assert chosen_settings(None, ("epochs=2",)).batch_size == 256
