import pytest

from mtneuro_suite.preset.model import preset_names, read_preset
from mtneuro_suite.preset.overrides import preset_text, with_own_row, with_tasks, with_values


@pytest.mark.parametrize("name", preset_names())
def test_a_printed_preset_reads_back_as_the_same(name, tmp_path):
    preset = read_preset(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(preset_text(preset))
    assert read_preset(str(path)) == preset


def test_a_printed_preset_of_tasks_leaves_to_the_tasks_what_they_decide(task_file, tmp_path):
    preset = with_tasks(read_preset("demo"), [task_file("roi-c1", z_step=9)])
    path = tmp_path / "mine.toml"
    path.write_text(preset_text(with_values(preset, ["task1.test_z_step=5"])))
    again = read_preset(str(path))
    assert again.task1
    assert {"z_step", "downsample", "test_z_step"} & again.task1.model_fields_set == {"test_z_step"}


def test_a_section_is_made_where_there_is_none():
    changed = with_values(read_preset("table1"), ["task1.per_method.byol.steps=7", "task3.z_step=2"])
    assert changed.task1
    assert changed.task3
    assert changed.task1.per_method["byol"] == {"steps": 7}
    assert changed.task3.z_step == 2


def test_the_preset_itself_stays_as_it_was():
    preset = read_preset("demo")
    with_values(preset, ["task1.settings.steps=99"])
    assert preset.task1
    assert preset.task1.settings["steps"] != 99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seeds", r"--set takes key=value, .*got 'seeds'"),
        ("task1..steps=3", r"--set takes key=value"),
        ("task1.methds=[]", r"task1: a key must be one of .*, got 'methds'; did you mean 'methods'"),
        ("task1.downsample=3", r"task1.downsample.*1, 2 or 4.*got 3"),
        ("sources=phantom", r"a key must be one of .*, got 'sources'; did you mean 'source'"),
    ],
)
def test_a_wrong_change_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        with_values(read_preset("demo"), [change])


def test_an_encoder_that_takes_subvolumes_is_named_as_a_segmenter_is():
    preset, names = with_own_row(read_preset("demo"), encoder="a.b:net:3d", segmenter="c:net:3d")
    assert names == ("b:net:3d", "c:net:3d")
    assert preset.task1
    assert preset.task1.rows["b:net:3d"] == {
        "method": "untrained", "latent_dim": None, "encoder": "a.b:net", "axes": 3,
    }  # fmt: skip
    assert preset.task2
    assert preset.task2.rows["c:net:3d"] == {"model": "c:net", "axes": 3}
    # What is drawn is read out on slices, which it does not take.
    assert preset.task3
    assert preset.task3.umap_method == ("byol",)


def test_an_encoder_in_a_file_is_named_by_its_whole_path_and_its_row_without_the_folders(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    preset, names = with_own_row(
        read_preset("smoke"), encoder="nets/mine.py:make:3d", segmenter="./mine.py:segment"
    )
    assert names == ("mine:make:3d", "mine:segment")
    assert preset.task1
    assert preset.task1.rows["mine:make:3d"] == {
        "method": "untrained", "latent_dim": None, "encoder": f"{tmp_path}/nets/mine.py:make", "axes": 3,
    }  # fmt: skip
    assert preset.task2
    assert preset.task2.rows["mine:segment"] == {"model": f"{tmp_path}/mine.py:segment"}


def test_an_encoder_of_the_hub_is_the_folder_that_was_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr("mtneuro_ssl._shared.hub.fetched_folder", {"owner/name": tmp_path}.__getitem__)
    monkeypatch.delattr("mtneuro_ssl.fetched_folder", raising=False)
    preset, names = with_own_row(read_preset("smoke"), encoder="hf:owner/name")
    assert names == ("hf:owner/name",)
    assert preset.task1
    assert preset.task1.rows["hf:owner/name"] == {"folder": str(tmp_path)}


def test_a_model_of_timm_has_its_published_weights_or_random_ones_and_its_row_says_so():
    for given, name, more in (
        ("timm:resnet18", "timm:resnet18", {"encoder_weights": "hub"}),
        ("timm:resnet18:random", "timm:resnet18 (random weights)", {}),
    ):
        preset, names = with_own_row(read_preset("smoke"), encoder=given)
        assert names == (name,)
        assert preset.task1
        known = {"method": "untrained", "latent_dim": None, "encoder": "timm/resnet18"}
        assert preset.task1.rows[name] == known | more


@pytest.mark.parametrize("encoder", ["mine.py", "mine.py:", "mine:", "my-nets:make", "mine"])
def test_a_name_that_is_no_encoder_is_told_which_are(encoder):
    with pytest.raises(
        ValueError, match=r"--encoder must be package.module:factory, path/to/file.py:factory"
    ):
        with_own_row(read_preset("smoke"), encoder=encoder)


def test_tasks_of_networks_alone_leave_no_encoder_to_read_out(task_file):
    preset = with_values(read_preset("smoke"), ['task2.frozen=["byol"]'])
    changed = with_tasks(preset, [task_file("seg-2d-3class")])
    assert changed.task1 is None
    assert changed.task2
    assert changed.task2.frozen == ()


def test_a_models_folder_of_subvolumes_is_not_read_out_by_pixels(tmp_path):
    for depth, frozen in (("null", ("net",)), ("8", ())):
        (tmp_path / "net").mkdir(exist_ok=True)
        (tmp_path / "net" / "config.json").write_text(f'{{"settings": {{"depth": {depth}}}}}')
        preset, _ = with_own_row(read_preset("smoke"), encoder=str(tmp_path / "net"))
        assert preset.task2
        assert preset.task2.frozen == frozen


def test_embeddings_are_rows_of_their_own_name_or_their_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a=b.npz", "mine.csv", "other.npz"):
        (tmp_path / name).touch()
    preset, names = with_own_row(read_preset("smoke"), embeddings=["a=b.npz", "mine.csv", "Mine=./other.npz"])
    assert names == ("a=b", "mine", "Mine")
    assert preset.task1
    assert {name: row["embeddings"] for name, row in preset.task1.rows.items()} == {
        "a=b": f"{tmp_path}/a=b.npz", "mine": f"{tmp_path}/mine.csv", "Mine": f"{tmp_path}/other.npz",
    }  # fmt: skip
    assert preset.task3
    assert preset.task3.umap_method == names


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            ["nowhere.npz"],
            r"must be a file, or NAME=FILE, and there is no file 'nowhere.npz'; --export-images",
        ),
        (["Mine=nowhere.npz"], r"there is no file 'nowhere.npz'"),
        (["byol=mine.npz"], r"rows must have names of their own, got 'byol'"),
        (["mine.npz", "mine=mine.npz"], r"must have a name of its own, got 'mine' twice: give NAME="),
    ],
)
def test_embeddings_that_are_not_there_or_share_a_name_are_refused(given, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").touch()
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        with_own_row(read_preset("smoke"), embeddings=given)


def test_embeddings_need_a_preset_of_task_1(tmp_path):
    (tmp_path / "mine.npz").touch()
    with pytest.raises(ValueError, match=r"--embeddings needs a preset with task1, and 'table2' has none"):
        with_own_row(read_preset("table2"), embeddings=[str(tmp_path / "mine.npz")])
