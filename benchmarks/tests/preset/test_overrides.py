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
