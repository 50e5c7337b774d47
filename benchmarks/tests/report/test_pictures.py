import base64
import io

import numpy as np
import pytest
from PIL import Image

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.preset.overrides import with_tasks, with_values
from mtneuro_suite.report.figures import learning_curves
from mtneuro_suite.report.pictures import (
    THUMBNAIL,
    class_key,
    laid_over,
    segmentation_sheets,
    surfaces,
    thumbnail_sheet,
)
from mtneuro_suite.report.umap import MOST_POINTS
from mtneuro_suite.runs.store import Store


def test_thumbnails_stand_where_their_number_says():
    images = [np.full((256, 256), 20 * place, np.uint8) for place in range(7)]
    uri, across = thumbnail_sheet(images)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(";base64,")[2]))).convert("L"))
    assert across == 3
    for place in range(7):
        y, x = (THUMBNAIL * side + THUMBNAIL // 2 for side in divmod(place, across))
        assert abs(int(sheet[y, x]) - 20 * place) < 6


@pytest.mark.slow
def test_the_most_thumbnails_leave_room_in_15_mb():
    # Noise is the hardest to compress: tissue takes less.
    rng = np.random.default_rng(0)
    images = list(rng.integers(0, 256, (MOST_POINTS, THUMBNAIL, THUMBNAIL), np.uint8))
    uri, _ = thumbnail_sheet(images)
    assert len(uri) < 9e6


def test_segmentations_are_shown_like_figure_3(finished):
    plan, store, _ = finished
    sheets = segmentation_sheets(plan, store)
    assert [sheet.network for sheet in sheets] == ["2D U-Net", "3D U-Net"]
    for sheet in sheets:
        assert sheet.headings == ("image", "truth", "3 classes", "4 classes")
        assert [row.sample_id for row in sheet.rows] == ["A-STR/z440", "A-VP/z440"]
        assert all(picture is not None for row in sheet.rows for picture in row.pictures)


@pytest.mark.slow
def test_a_network_that_kept_a_volume_is_shown_in_3d(finished):
    plan, store, _ = finished
    assert surfaces(plan, store) == []
    labels = np.zeros((8, 16, 16), np.uint8)
    labels[2:6, 4:12, 4:12] = 2
    path = store.folder(plan.segmenters[0]) / "volume.npz"
    np.savez(path, prediction=labels, truth=labels, voxel_size_um=np.ones(3), region="STR")
    (picture,) = surfaces(plan, store)
    path.unlink()
    # Slices of the stack are 10 apart, of 1 um.
    assert picture.caption == "2D U-Net, 3 classes, STR, 80 × 16 × 16 µm. STR: striatum."
    svg = base64.b64decode(picture.uri.partition(";base64,")[2]).decode()
    assert svg.index(">truth<") < svg.index(">prediction<")
    assert svg.count("<image") == 2
    # Text has no colour of its own, and so takes that of the picture.
    assert "prefers-color-scheme:dark" in svg
    assert "fill: #000000" not in svg


def test_pictures_of_runs_that_are_missing_are_left_out(tmp_path):
    assert segmentation_sheets(plan_of(read_preset("smoke")), Store(tmp_path)) == []


def test_the_key_names_the_classes_of_the_networks_each_in_one_colour(finished, task_file):
    paper, _, _ = finished
    assert [name for name, _ in class_key(paper)] == ["vessel", "cell", "axon"]
    files = [
        task_file("seg-2d-3class", name="one", class_names=("background", "membrane", "synapse")),
        task_file("seg-2d-4class", name="two", class_names=("none", "synapse", "membrane", "spine")),
    ]
    key = class_key(plan_of(with_tasks(read_preset("smoke"), files)))
    assert [name for name, _ in key] == ["membrane", "synapse", "spine"]
    assert len({colour for _, colour in key}) == 3


def test_a_class_has_the_keys_colour_whatever_its_label():
    example = {
        "images": np.zeros((64, 64), np.uint8),
        "names": ["background", "axon"],
        "truth": np.ones((64, 64), np.uint8),
    }
    with_all = ["background", "vessel", "axon"]
    other = {**example, "names": with_all, "truth": 2 * example["truth"]}
    assert laid_over(example, "truth", with_all) == laid_over(other, "truth", with_all)


def test_frozen_encoders_are_shown_beside_the_networks(made_up, tmp_path):
    changes = ['task1.methods=["byol"]', "task3=none", "task2.frozen=byol", "task2.heads=linear"]
    plan = plan_of(with_values(read_preset("smoke"), changes))
    store = made_up(plan, tmp_path)
    assert [sheet.network for sheet in segmentation_sheets(plan, store)] == ["2D U-Net", "BYOL, linear"]
    groups = {group.title: [one.caption for one in group.pictures] for group in learning_curves(plan, store)}
    assert groups["Heads of Task 2 on frozen encoders"] == ["BYOL, linear, 3 classes"]
