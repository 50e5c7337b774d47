"""Folders of results, compared with the paper's numbers and with each other."""

from dataclasses import replace
from typing import Any

import pytest
from scipy.stats import t, ttest_1samp

from mtneuro_suite.report.about import read_results
from mtneuro_suite.report.comparison import against_grids, lines, paired_grid, paper_grids

CAVEAT = "The phantom is not the brain."


def cells(grid, **key):
    """Return the one row with the values asked for, by column."""
    (found,) = [
        one
        for one in (dict(zip(grid.columns, values, strict=True)) for values in grid.rows)
        if all(one[name] == value for name, value in key.items())
    ]
    return found


def test_ours_stand_beside_the_papers_with_their_interval(tmp_path, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.86), row("byol", 2, 0.90)])
    (grid,) = paper_grids(read_results([folder]))
    found = cells(grid, model="BYOL")
    assert found["mean"] == pytest.approx(0.88)
    assert found["paper"] == 0.88
    # Seeds alone say nothing of the tissue.
    assert "95 % low" not in grid.columns
    assert any(CAVEAT in note for note in grid.notes)
    assert found["verdict"] == "not judged"


def of_cubes(row, model, seed, values, **others):
    """Return rows of single cubes and that of all."""
    cubes = [
        replace(row(model, seed, value, **others), cube=cube)
        for cube, value in zip("ABC", values, strict=True)
    ]
    return [row(model, seed, sum(values) / 3, **others), *cubes]


def test_an_interval_is_over_cubes_and_seeds_together(tmp_path, row, written):
    rows = [*of_cubes(row, "byol", 1, (0.4, 0.5, 0.6)), *of_cubes(row, "byol", 2, (0.44, 0.54, 0.64))]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    found = cells(grid, model="BYOL")
    # Squared errors of 0.01 / 3 and 0.0008 / 2, with 2 degrees of freedom and 1.
    a, b = 0.01 / 3, 0.0004
    half = t.ppf(0.975, (a + b) ** 2 / (a**2 / 2 + b**2)) * (a + b) ** 0.5
    assert found["95 % low"] == pytest.approx(0.52 - half)
    assert found["sd"] == pytest.approx(0.04 / 2**0.5)


def test_two_rows_are_paired_over_cubes_and_seeds(tmp_path, row, written):
    rows = [
        *(one for seed in (1, 2) for one in of_cubes(row, "byol", seed, (0.7, 0.82, 0.94))),
        *of_cubes(row, "myow", 1, (0.6, 0.7, 0.8)),
        *of_cubes(row, "myow", 2, (0.6, 0.7, 0.8)),
        *of_cubes(row, "pca", 1, (0.5, 0.5, 0.5)),
    ]
    results = read_results([written(tmp_path / "demo", rows)])
    found = cells(paired_grid(results, "byol", "myow"), task="roi-c1")
    theirs: Any = ttest_1samp((0.1, 0.12, 0.14), 0)
    ends = theirs.confidence_interval(0.95)
    assert (found["cubes"], found["seeds"], found["p"]) == (3, 2, pytest.approx(theirs.pvalue))
    assert (found["95 % low"], found["95 % high"]) == pytest.approx((ends.low, ends.high))
    # PCA draws nothing: its one number stands beside every seed.
    grid = paired_grid(results, "byol", "pca")
    assert (cells(grid, task="roi-c1")["seeds"], cells(grid, task="roi-c1")["cubes"]) == (2, 3)
    assert not any("Lines without cubes" in note for note in grid.notes)


def test_rows_of_several_animals_are_paired_animal_by_animal(tmp_path, row, written):
    values = {"byol": (0.7, 0.82, 0.94), "myow": (0.6, 0.7, 0.8)}
    rows = [
        replace(row(model, 1, value), animal=str(animal))
        for model, of_animals in values.items()
        for animal, value in enumerate(of_animals)
    ]
    results = read_results([written(tmp_path / "demo", rows, preset={"phantom_seeds": [0, 1, 2]})])
    found = cells(paired_grid(results, "byol", "myow"), task="roi-c1")
    theirs: Any = ttest_1samp((0.1, 0.12, 0.14), 0)
    assert found["p"] == pytest.approx(theirs.pvalue)
    assert (found["animals"], found["byol"]) == (3, pytest.approx(0.82))
    (grid,) = paper_grids(results)
    assert (cells(grid, model="BYOL")["animals"], cells(grid, model="BYOL")["mean"]) == (
        3,
        pytest.approx(0.82),
    )
    others = read_results(
        [tmp_path / "demo", written(tmp_path / "other", rows, preset={"phantom_seeds": [3, 4]})]
    )
    with pytest.raises(ValueError, match="differ in phantom_seeds"):
        paired_grid(others, "demo:byol", "other:myow")


def test_only_the_papers_volume_and_settings_are_judged(tmp_path, row, written):
    rows = [row("byol", 1, 0.90), row("myow", 1, 0.80)]
    folder = written(tmp_path / "paper", rows, caveat="")
    (grid,) = paper_grids(read_results([folder]), tolerance=0.02)
    assert cells(grid, model="BYOL")["verdict"] == "reproduced"
    assert cells(grid, model="MYOW")["verdict"] == "differs"
    assert any("within 0.02" in note for note in grid.notes)


def test_rows_of_single_cubes_are_not_taken_for_the_whole(tmp_path, row, written):
    rows = [row("byol", 1, 0.5), replace(row("byol", 1, 0.9), cube="A-CTX")]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert [(cells(grid, model="BYOL")["mean"], len(grid.rows))] == [(0.5, 1)]


def test_the_papers_number_is_that_of_the_resolution_that_was_run(tmp_path, row, written):
    folder = written(tmp_path / "demo", [row("byol", 1, 0.5)], downsample=4)
    (grid,) = paper_grids(read_results([folder]))
    assert cells(grid, model="BYOL")["paper"] == 0.83


def test_the_papers_number_is_that_of_the_sub_task_whatever_was_added_to_training(tmp_path, row, written):
    semantics = {"task": "roi-c3[B]", "metric": "r2_same_sample", "class_name": "cell_count"}
    rows = [row("byol", 1, 0.5, task="roi-c3[B]"), row("byol", 1, 0.5, **semantics)]
    accuracy, r2 = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert cells(accuracy, model="BYOL")["paper"] == 0.97
    assert cells(r2, model="BYOL")["paper"] == 0.79


def test_the_papers_mixup_stands_beside_the_best_probability_alone(tmp_path, row, written):
    rows = [
        row(f"supervised+mixup p={p}", seed, value, metric="accuracy_whole")
        for p, value in (("0.1", 0.6), ("0.5", 0.8))
        for seed in (1, 2)
    ]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert cells(grid, model="Supervised+Mixup (p=0.5)")["paper"] == 0.90
    assert cells(grid, model="Supervised+Mixup (p=0.1)")["paper"] is None


def test_a_row_like_one_of_the_papers_stands_beside_its_number(tmp_path, row, written):
    rows = [row("decayed", 1, 0.7, metric="accuracy_whole"), row("other", 1, 0.7, metric="accuracy_corners")]
    own = {"decayed": {"like": "supervised", "weight_decay": 5e-4}, "other": {"method": "byol"}}
    folder = written(tmp_path / "demo", rows, preset={"task1": {"rows": own}})
    whole, corners = paper_grids(read_results([folder]))
    assert cells(whole, model="decayed")["paper"] == 0.88
    assert "paper" not in corners.columns


def test_an_undefined_number_leaves_its_cells_empty(tmp_path, row, written):
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", [row("byol", 1, None)])]))
    assert cells(grid, model="BYOL") == {
        "task": "roi-c1", "model": "BYOL", "seeds": 0, "paper": 0.88, "paper sd": 0.02,
    }  # fmt: skip


def test_a_row_of_a_users_own_has_no_papers_number(tmp_path, row, written):
    (results,) = read_results([written(tmp_path / "mine", [row("my_package:factory", 1, 0.7)])])
    (line,) = lines(results)
    assert (line.model, line.quoted) == ("my_package:factory", None)


def test_two_rows_are_paired_over_the_seeds_that_both_have(tmp_path, row, written):
    rows = [row("byol", seed, 0.8 + seed / 100) for seed in (1, 2, 3)]
    rows += [row("myow", seed, 0.7) for seed in (2, 3, 4)]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "myow")
    found = cells(grid, task="roi-c1")
    assert found["seeds"] == 2
    assert not {"cubes", "95 % low"} & {*grid.columns}
    assert any("Lines without cubes" in note for note in grid.notes)
    assert found["difference"] == pytest.approx(0.125)
    assert found["p"] == 0.5
    assert any("2 shared seeds are too few" in note for note in grid.notes)


def test_six_seeds_are_enough_to_say_so(tmp_path, row, written):
    rows = [
        row(model, seed, base + seed / 100)
        for model, base in (("byol", 0.8), ("pca", 0.7))
        for seed in range(6)
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "pca")
    assert cells(grid, task="roi-c1")["p"] == 2 / 64
    assert not any("too few" in note for note in grid.notes)


def test_a_supervised_row_is_paired_as_in_table_1_and_on_corners(tmp_path, row, written):
    rows = [
        row("supervised", 1, 0.9, metric="accuracy_whole", n=200),
        row("supervised", 1, 0.5),
        row("byol", 1, 0.8),
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "supervised")
    assert cells(grid, metric="accuracy, as Table 1")["difference"] == pytest.approx(-0.1)
    assert cells(grid, metric="accuracy_corners")["difference"] == pytest.approx(0.3)
    assert any("different numbers of samples" in note for note in grid.notes)


def test_p_is_corrected_for_the_lines_of_the_table(tmp_path, row, written):
    rows = [
        row(model, seed, base + seed / 100, task=task)
        for task, apart in (("roi-c1", 0.1), ("roi-c2", 0.2), ("roi-c3", 0.3))
        for model, base in (("byol", 0.6), ("pca", 0.6 - apart))
        for seed in range(8)
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "pca")
    assert [dict(zip(grid.columns, one, strict=True))["p"] for one in grid.rows] == [2 / 256] * 3
    assert [dict(zip(grid.columns, one, strict=True))["p by Holm"] for one in grid.rows] == [6 / 256] * 3


def test_numbers_of_other_samples_are_not_paired_and_named(tmp_path, row, written):
    rows = [row("byol", 1, 0.8), row("pca", 1, 0.7), row("byol", 1, 0.8, task="roi-c2", n=80)]
    rows.append(row("pca", 1, 0.7, task="roi-c2", n=20))
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "byol", "pca")
    assert cells(grid, task="roi-c1")["difference"] == pytest.approx(0.1)
    assert len(grid.rows) == 1
    assert any("roi-c2 accuracy_corners (samples (80 and 20))" in note for note in grid.notes)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ({"preset": {"source": "phantom"}}, {"preset": {"source": "bossdb://a/b/c"}},
         r"differ in source \(phantom and bossdb://a/b/c\)"),
        ({"preset": {"task1": {"test_z_step": 1}}}, {"preset": {"task1": {"test_z_step": 4}}},
         r"task1\.test_z_step \(1 and 4\)"),
        ({"downsample": 2}, {"downsample": 4}, r"task1\.downsample \(2 and 4\)"),
        ({"preset": {"inputs": "paper"}}, {"preset": {"inputs": "tasks", "task_files": ["a.json"]}},
         r"inputs \(paper and tasks\), task_files \(None and \['a\.json'\]\)"),
    ],
)  # fmt: skip
def test_rows_of_other_data_are_refused_by_name(tmp_path, row, written, first, second, told):
    read = read_results(
        [
            written(tmp_path / "a", [row("byol", 1, 0.8)], **first),
            written(tmp_path / "b", [row("byol", 1, 0.6)], **second),
        ]
    )
    with pytest.raises(ValueError, match=told):
        paired_grid(read, "a:byol", "b:byol")


def test_a_feature_is_paired_by_the_size_that_table_3_reads(tmp_path, row, written):
    semantics = {"metric": "r2_cross_validated", "class_name": "cell_count"}
    read = read_results(
        [
            written(
                tmp_path / name,
                [row("byol", 1, value, **semantics)],
                downsample=trained,
                preset={"task3": {"downsample": 2}},
            )
            for name, value, trained in (("a", 0.8, 2), ("b", 0.6, 4))
        ]
    )
    assert cells(paired_grid(read, "a:byol", "b:byol"), task="roi-c1")["difference"] == pytest.approx(0.2)


def test_settings_of_training_alone_keep_no_two_rows_apart(tmp_path, row, written):
    presets = [{"seeds": [1], "task1": {"z_step": step, "test_z_step": 4}} for step in (1, 8)]
    read = read_results(
        [
            written(tmp_path / name, [row("byol", 1, value)], preset=preset)
            for name, value, preset in zip("ab", (0.8, 0.6), presets, strict=True)
        ]
    )
    assert cells(paired_grid(read, "a:byol", "b:byol"), task="roi-c1")["difference"] == pytest.approx(0.2)


def test_networks_of_two_and_three_dimensions_are_paired_in_their_class_setting(tmp_path, row, written):
    rows = [
        row(model, 1, value, task=f"seg-{axes}d-4class", metric="f1", class_name="cell")
        for model, axes, value in (("unet", 2, 0.8), ("unet3d", 3, 0.6))
    ]
    grid = paired_grid(read_results([written(tmp_path / "demo", rows)]), "unet", "unet3d")
    assert cells(grid, task="4class")["difference"] == pytest.approx(0.2)


def test_the_number_of_runs_that_an_interval_draws_from_is_no_score(tmp_path, row, written):
    rows = [row("byol", 1, 24.0, metric="r2_runs", class_name="cell_count"), row("byol", 1, 0.5)]
    (results,) = read_results([written(tmp_path / "demo", rows)])
    assert [line.metric for line in lines(results)] == ["accuracy_corners"]


def test_a_model_whose_name_has_a_colon_is_found(tmp_path, row, written):
    read = read_results(
        [
            written(tmp_path / name, [row(f"{name}:factory", 1, 0.8), row("pca", 1, 0.5)])
            for name in ("a", "b")
        ]
    )
    for first in ("a:factory", "a:a:factory"):
        grid = paired_grid(read, first, "b:pca")
        assert cells(grid, task="roi-c1")["difference"] == pytest.approx(0.3)


def test_scores_on_validation_stand_apart_from_those_on_test(tmp_path, row, written):
    rows = [
        row("unet", 1, value, task="seg-2d-4class", part=part, metric="f1", class_name="cell")
        for part, value in (("val", 0.5), ("test", 0.7))
    ]
    (grid,) = paper_grids(read_results([written(tmp_path / "demo", rows)]))
    assert cells(grid, task="4class validation")["paper"] is None
    assert cells(grid, task="4class")["paper"] == 0.87


def test_a_row_that_is_taken_as_it_is_has_table_1s_accuracy_on_corners_whatever_it_is_called(
    tmp_path, row, written
):
    rows = [row("supervised by hand", 1, 0.8), row("supervised", 1, 0.6, metric="accuracy_whole")]
    for key in ("embeddings", "folder"):
        preset = {"task1": {"rows": {"supervised by hand": {key: "mine"}}}}
        results = read_results([written(tmp_path / key, rows, preset=preset)])
        grid = paired_grid(results, "supervised by hand", "supervised")
        assert cells(grid, metric="accuracy, as Table 1")["difference"] == pytest.approx(0.2)


def test_each_row_stands_beside_the_records_of_its_name_and_others_beside_its_byol(tmp_path, row, written):
    ours = [
        *of_cubes(row, "byol", 1, (0.7, 0.8, 0.9)),
        *of_cubes(row, "mine", 1, (0.8, 0.9, 0.95)),
        *of_cubes(row, "my-net", 1, (0.6, 0.7, 0.8), task="seg-2d-4class", metric="f1", class_name="cell"),
    ]
    theirs = [
        *(one for seed in (1, 2) for one in of_cubes(row, "byol", seed, (0.6, 0.65, 0.8))),
        *of_cubes(row, "unet", 1, (0.5, 0.5, 0.5), task="seg-2d-4class", metric="f1", class_name="cell"),
    ]
    results = read_results([written(tmp_path / "demo", ours)])
    (reference,) = read_results([written(tmp_path / "study", theirs)])
    one, two = against_grids(results, reference)
    assert one.title == "Table 1, accuracy of region: ours against study"
    found = cells(one, row="byol")
    assert (found["study"], found["seeds"], found["cubes"]) == ("byol", 1, 3)
    assert found["difference"] == pytest.approx(0.35 / 3)
    assert cells(one, row="mine")["study"] == "byol"
    assert (cells(two, row="my-net")["study"], cells(two, row="my-net")["ours"]) == (
        "unet",
        pytest.approx(0.7),
    )


def test_what_is_of_other_data_than_the_record_is_named(tmp_path, row, written):
    rows = [row("byol", 1, 0.7)]
    results = read_results([written(tmp_path / "demo", rows, preset={"source": "bossdb"})])
    (reference,) = read_results([written(tmp_path / "study", rows, preset={"source": "phantom"})])
    with pytest.raises(
        ValueError, match=r"nothing can be paired with study\. .*source \(bossdb and phantom\)"
    ):
        against_grids(results, reference)
