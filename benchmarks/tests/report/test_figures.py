import base64
from dataclasses import replace

from matplotlib.figure import Figure

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.report.figures import accuracy_figures, line_style, svg_uri
from mtneuro_suite.runs.store import Store


def decoded(uri):
    kind, _, data = uri.partition(";base64,")
    return kind.removeprefix("data:"), base64.b64decode(data)


def test_a_drawings_ink_follows_the_readers_scheme():
    figure = Figure()
    figure.subplots().plot([0, 1], color="#0072B2")
    kind, svg = decoded(svg_uri(figure))
    assert kind == "image/svg+xml"
    assert b"prefers-color-scheme:dark" in svg
    assert b"currentColor" in svg
    assert b"#000000" not in svg
    assert b"#0072b2" in svg
    assert svg_uri(figure) == svg_uri(figure)


def test_as_many_lines_as_a_table_has_rows_are_told_apart():
    assert len({tuple(line_style(place).values()) for place in range(24)}) == 24


def test_accuracy_is_drawn_against_training_data_and_against_resolution(finished, made_up, tmp_path):
    plan, store, _ = finished
    (picture,) = accuracy_figures(plan, store)
    assert picture.caption.startswith("Accuracy against training data")
    assert picture.caption.endswith("ROI: region of interest.")
    assert "the paper's" not in decoded(picture.uri)[1].decode()
    of_its_data = replace(plan, inputs=replace(plan.inputs, papers_data=True))
    (picture,) = accuracy_figures(of_its_data, store)
    assert "the paper's" in decoded(picture.uri)[1].decode()
    values = read_preset("tableA3").model_dump()
    values["seeds"] = (1,)
    values["task1"].update(methods=("byol", "pca"))
    plan = plan_of(Preset.model_validate(values))
    (picture,) = accuracy_figures(plan, made_up(plan, tmp_path, slices=2))
    assert picture.caption.startswith("Accuracy on ROI-C1 against resolution")
    svg = decoded(picture.uri)[1].decode()
    assert all(f">{tick}</text>" in svg for tick in ("1/4", "1/2", "full"))


def test_figures_of_runs_that_are_missing_are_left_out(tmp_path):
    assert accuracy_figures(plan_of(read_preset("smoke")), Store(tmp_path)) == []


def test_accuracy_on_subvolumes_has_a_drawing_of_its_own(made_up, tmp_path):
    values = read_preset("smoke").model_dump()
    tasks = ("roi-c1", "roi-c2", "roi-c1-3d", "roi-c2-3d")
    values["task1"].update(tasks=tasks, methods=("byol", "pca"))
    values.update(task2=None, task3=None)
    plan = plan_of(Preset.model_validate(values))
    pictures = accuracy_figures(plan, made_up(plan, tmp_path, slices=2))
    flat, deep = (decoded(picture.uri)[1].decode() for picture in pictures)
    assert (">ROI-C2 in 3D</text>" in flat, ">ROI-C2 in 3D</text>" in deep) == (False, True)
    assert (" images</text>" in flat, " subvolumes</text>" in deep) == (True, True)
