from dataclasses import replace

from mtneuro_data import builtin_task

from mtneuro_suite.plan.arrays import arrays_run, arrays_runs
from mtneuro_suite.plan.inputs import paper_inputs, parts
from mtneuro_suite.preset.model import read_preset


def test_a_title_says_what_is_loaded_from_where_and_how_small():
    inputs = paper_inputs(read_preset("demo"))
    (region, *_), (deep, *_) = inputs.regions[0].train, inputs.segmentation[1].train
    assert (
        arrays_run(region, inputs.fingerprints).title
        == "images of A-CTX, A-STR, A-VP, A-ZI, z 110-380 at 1/4"
    )
    assert arrays_run(deep, inputs.fingerprints).title.startswith("images and labels of A-CTX, A-STR, A-VP")
    assert ", 64 slices deep" not in arrays_run(region, inputs.fingerprints).title
    assert arrays_run(deep, inputs.fingerprints).title.endswith(f", {deep.depth} slices deep")


def test_what_a_local_file_holds_is_part_of_the_name_of_the_run_that_reads_it(tmp_path):
    path = tmp_path / "volume.npy"
    inputs = paper_inputs(read_preset("demo"))
    task = inputs.regions[0].test[0].with_source({"image": str(path)})
    region = replace(inputs.regions[0], train=(), test=(task,))
    ids: set[str] = set()
    for content in ("one", "another", "one"):
        path.write_text(content)
        ids.add(arrays_run(task, replace(inputs, regions=(region,)).fingerprints).id)
    assert len(ids) == 2


def test_parts_that_are_alike_are_one_run_whatever_task_they_come_from():
    inputs = paper_inputs(read_preset("demo"))
    task = builtin_task("roi-c1").with_source("phantom")
    first, second = (
        parts(task.replaced(name=name), ("test",), downsample=4, z_step=24) for name in ("mine", "yours")
    )
    assert [run.id for run in arrays_runs(first, inputs.fingerprints)] == [
        run.id for run in arrays_runs(second, inputs.fingerprints)
    ]
