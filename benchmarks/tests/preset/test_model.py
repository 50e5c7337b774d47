import pytest

from mtneuro_suite.preset.model import preset_names, read_preset


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_valid(name):
    assert read_preset(name).description


def test_encoders_of_random_weights_say_so_in_their_rows_names():
    preset = read_preset("encoders")
    one, two = preset.task1, preset.task2
    assert one is not None
    assert two is not None
    # Each has a row in Table 2; PCA has no feature maps.
    assert two.frozen == ("untrained", *one.rows)
    families = ("DINOv2", "DINOv3", "SAM", "ConvNeXt", "Swin", "Hiera", "ResNet", "EfficientNet")
    assert [name.startswith(family) for name, family in zip(one.rows, families, strict=True)] == [True] * 8
    for name, chosen in one.rows.items():
        assert ("random weights" in name) == ("encoder_weights" not in chosen), name


def test_an_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(
        ValueError,
        match=r"preset, if it is no .toml file, must be one of .*smoke.*got 'smokee'; did you mean 'smoke'",
    ):
        read_preset("smokee")


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_an_unknown_key_is_refused_with_the_nearest_key(tmp_path):
    path = write(tmp_path, 'description = "x"\n[task1]\nmethod = ["byol"]\n')
    with pytest.raises(ValueError, match=r"mine.toml: task1: .*, got 'method'; did you mean 'methods'"):
        read_preset(path)


def test_a_value_out_of_range_is_refused_by_key_and_value(tmp_path):
    path = write(tmp_path, 'description = "x"\n[task1]\nz_step = 0\n')
    with pytest.raises(ValueError, match=r"task1.z_step must be greater than or equal to 1, got 0"):
        read_preset(path)


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"mine\.toml must be TOML"):
        read_preset(write(tmp_path, "description = "))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file at"):
        read_preset(str(tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = []\n[task1]", "seeds must be distinct and at least one"),
        ("seeds = [1, 1]\n[task1]", "seeds must be distinct"),
        ("", r"a preset needs \[task1\] or \[task2\]"),
        ("[task2]\n[task3]", r"\[task3\] reads out the encoders of \[task1\]"),
        ('[task1]\ntasks = ["roi-c2"]', "roi-c2 scores the models of roi-c1"),
        ('[task1]\ntasks = ["roi-c1", "roi-c2-3d"]', "roi-c2-3d scores the models of roi-c1-3d: add"),
        ('[task1]\n[task3]\nencoders = ["roi-c1-3d"]', "asks for roi-c1-3d, which task1.tasks lacks"),
        ("[task1.rows.mine]\naxes = 4", "rows.mine: axes must be 2 or 3, got 4"),
        ("[task1.subvolumes]\ndepth = 1", "task1.subvolumes.depth must be greater than or equal to 2, got 1"),
        (
            'inputs = "real-sample"\n[task1.subvolumes]\ndepth = 4',
            "task1.subvolumes does nothing with the real",
        ),
        (
            'inputs = "real-sample"\n[task1.points]\nlabels = "truth"',
            "task1.points does nothing with the real sample",
        ),
        ('[task1.points]\nlabels = "unet"', r"names a network of \[task2\], which is missing, got 'unet'"),
        ('[task1]\ntasks = ["roi-c1"]\n[task3]', "task3.encoders asks for roi-c3"),
        ('[task1]\nmethods = ["pca", "pca"]', r"task1.methods must name at least one, and each once"),
        ("[task1]\nmethods = []", r"task1.methods must name at least one, and each once"),
        ('[task1.rows.mine]\nlike = "byoll"', r"rows.mine.like must be one of .*got 'byoll'.*'byol'"),
        ('[task2.rows.mine]\nlike = "byol"', r"rows.mine.like must be one of unet, .*got 'byol'"),
        ('[task1]\ntasks = ["roi-c3"]\nresolutions = 4', "resolutions are further ones of roi-c1"),
        ("[task1]\nresolutions = [2, 4]", r"resolutions must be other factors than downsample, got \[2, 4\]"),
        (
            "[task1.linear_stage.byol]\nepochs = 2",
            r'linear_stage needs readout = "original", got \'corners\'',
        ),
        ('[task1]\n[task3]\ndefinition = "original"', r'measures corners: set view = "corners"'),
        (
            'inputs = "real-sample"\n[task1]\n[task3]\ndefinition = "original"\nview = "corners"',
            "is of the paper's own images",
        ),
        ('inputs = "real-sample"\n[task1]\nz_step = 2', "task1.z_step does nothing with the real sample"),
    ],
)
def test_a_preset_that_cannot_work_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        read_preset(write(tmp_path, f'description = "x"\n{text}\n'))


def test_a_row_of_a_files_embeddings_is_of_one_animal(tmp_path):
    path = write(
        tmp_path, 'description = "x"\nphantom_seeds = [1, 2]\n[task1.rows.mine]\nembeddings = "mine.npz"'
    )
    with pytest.raises(
        ValueError, match="embeddings of a file are of one animal, got phantom_seeds beside row 'mine'"
    ):
        read_preset(path)


def test_the_papers_settings_have_the_papers_extra_set_among_them():
    paper = read_preset("paper")
    assert paper.task1 is not None
    for extra, follows in ((("B",), True), (("B", "D"), True), (("D",), False)):
        task1 = paper.task1.model_copy(update={"extra": extra})
        assert paper.model_copy(update={"task1": task1}).follows_the_paper is follows
