import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from mtneuro_suite.plan.plan import plan
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.report.figures import accuracy_figures, svg_uri
from mtneuro_suite.report.html import write_report
from mtneuro_suite.report.pictures import THUMBNAIL, segmentation_sheets, surfaces, thumbnail_sheet
from mtneuro_suite.report.tables import all_tables
from mtneuro_suite.report.umap import MOST_POINTS, chosen_samples
from mtneuro_suite.runs.failure import Failure
from mtneuro_suite.runs.store import Store


@pytest.fixture
def planned():
    return plan(read_preset("smoke"))


def report(planned, tmp_path, **options):
    path = write_report(
        planned, Store(tmp_path), all_tables(planned, []), tmp_path / "report.html", **options
    )
    return path.read_text(encoding="utf-8")


# Elements without an end.
VOID = {"meta", "link", "img", "br"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_report_is_one_whole_file_that_asks_for_no_other(planned, tmp_path):
    html = report(planned, tmp_path)
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttp", html)
    assert all(
        source[:5] == "data:" or source[0] == "#" for source in re.findall(r'(?:src|href)="([^"]*)"', html)
    )
    assert "default-src 'none'" in html


def test_a_report_says_what_the_phantom_is_not_and_what_is_missing(planned, tmp_path):
    html = report(planned, tmp_path)
    assert "The phantom is not the brain" in html
    assert f"{len(planned.runs)} runs are missing" in html
    assert "Table 1. Brain region" in html
    assert "0.83±0.06" in html


def test_a_report_names_the_runs_that_failed(planned, tmp_path):
    failure = Failure(planned.runs[0], "OSError: <no space>")
    html = report(planned, tmp_path, failures=[failure])
    assert planned.runs[0].title in html
    assert "OSError: &lt;no space&gt;" in html


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


def test_thumbnails_stand_where_their_number_says():
    images = [np.full((256, 256), 20 * place, np.uint8) for place in range(7)]
    uri, across = thumbnail_sheet(images)
    sheet = np.asarray(Image.open(io.BytesIO(decoded(uri)[1])).convert("L"))
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


def test_the_samples_that_are_drawn_are_spread_over_all():
    chosen = chosen_samples(5760)
    assert len(set(chosen.tolist())) == MOST_POINTS
    assert (chosen[0], chosen[-1]) == (0, 5759)


def test_a_report_of_finished_runs_has_every_section(finished):
    html = finished[2].read_text(encoding="utf-8")
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    sections = re.findall(r'<h2 id="([^"]*)">', html)
    assert len(sections) == 9
    assert re.findall(r'<li><a href="#([^"]*)">', html) == sections
    assert "Figure A4" in html
    assert "are missing" not in html
    assert html.count('<table class="confusion">') == 9
    assert not re.search(r"https?://", html)


def test_a_reports_umap_says_what_was_not_measured(finished):
    html = finished[2].read_text(encoding="utf-8")
    text = re.search(r'id="umap-data">(.*?)</script>', html, re.DOTALL)
    assert text is not None
    data = json.loads(text[1])
    assert len(data["samples"]) == len(data["region"]) == 48
    assert [len(points) for points in data["layouts"]] == [48, 48]
    assert data["features"][0]["values"][0] is None
    assert all(0 <= place <= 1000 for points in data["layouts"] for point in points for place in point)


def test_segmentations_are_shown_like_figure_3(finished):
    planned, store, _ = finished
    sheets = segmentation_sheets(planned, store)
    assert [sheet.network for sheet in sheets] == ["2D U-Net", "3D U-Net"]
    for sheet in sheets:
        assert sheet.headings == ("image", "truth", "3 classes", "4 classes")
        assert [row.sample_id for row in sheet.rows] == ["A-STR/z440", "A-VP/z440"]
        assert all(picture is not None for row in sheet.rows for picture in row.pictures)


@pytest.mark.slow
def test_a_network_that_kept_a_volume_is_shown_in_3d(finished):
    planned, store, _ = finished
    assert surfaces(planned, store) == []
    labels = np.zeros((8, 16, 16), np.uint8)
    labels[2:6, 4:12, 4:12] = 2
    path = store.folder(planned.segmenters[0]) / "volume.npz"
    np.savez(path, prediction=labels, truth=labels, voxel_size_um=np.ones(3), region="STR")
    (picture,) = surfaces(planned, store)
    path.unlink()
    assert picture.caption == "2D U-Net, 3 classes, STR"


@pytest.mark.slow
def test_a_report_of_the_whole_paper_is_under_15_mb(made_up, tmp_path):
    planned = plan(read_preset("paper"))
    store = made_up(planned, tmp_path, slices=360)
    path = write_report(
        planned, store, all_tables(planned, store.rows(planned.runs)), tmp_path / "report.html"
    )
    assert path.stat().st_size < 15e6


def test_accuracy_is_drawn_against_training_data_and_against_resolution(finished, made_up, tmp_path):
    (picture,) = accuracy_figures(*finished[:2])
    assert picture.caption.startswith("Accuracy against training data")
    values = read_preset("tableA3").model_dump()
    values["seeds"] = (1,)
    values["task1"].update(methods=("byol", "pca"))
    planned = plan(Preset.model_validate(values))
    (picture,) = accuracy_figures(planned, made_up(planned, tmp_path, slices=2))
    assert picture.caption.startswith("Accuracy on ROI-C1 against resolution")
    svg = decoded(picture.uri)[1].decode()
    assert all(f">{tick}</text>" in svg for tick in ("1/4", "1/2", "full"))


def test_pictures_of_runs_that_are_missing_are_left_out(planned, tmp_path):
    store = Store(tmp_path)
    assert accuracy_figures(planned, store) == []
    assert segmentation_sheets(planned, store) == []
