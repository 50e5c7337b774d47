import json
import re

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import Preset, read_preset
from mtneuro_suite.preset.overrides import with_values
from mtneuro_suite.report.html import write_report
from mtneuro_suite.report.umap import FIGURES, MOST_POINTS, chosen_samples, umap_sections


def test_the_samples_that_are_drawn_are_spread_over_all():
    chosen = chosen_samples(5760)
    assert len(set(chosen.tolist())) == MOST_POINTS
    assert (chosen[0], chosen[-1]) == (0, 5759)


def test_the_papers_figures_are_of_its_methods():
    # Figure 4 is of MYOW-m, Figure A4 of BYOL trained in either sub-task.
    assert FIGURES["myow-m", "roi-c1"] == "Figure 4"
    assert {key for key, figure in FIGURES.items() if figure == "Figure A4"} == {
        ("byol", "roi-c1"),
        ("byol", "roi-c3"),
    }


def test_figure_4_stands_beside_figure_a4_in_one_report(made_up, tmp_path):
    changes = ["task2=none", "seeds=[1]", 'task1.methods=["byol", "myow-m"]', "task1.rows={}"]
    plan = plan_of(with_values(read_preset("paper"), [*changes, "task1.resolutions=[]"]))
    (section,) = umap_sections(plan, made_up(plan, tmp_path, slices=4))
    assert {layout.title: layout.caption.partition(",")[0] for layout in section.layouts} == {
        "MYOW-m trained in ROI-C1": "As the paper's Figure 4",
        "MYOW-m trained in ROI-C3": "",
        "BYOL trained in ROI-C1": "As the paper's Figure A4",
        "BYOL trained in ROI-C3": "As the paper's Figure A4",
    }


def test_a_reports_umap_says_what_was_not_measured(finished):
    html = finished[2].read_text(encoding="utf-8")
    text = re.search(r'class="umap-data">(.*?)</script>', html, re.DOTALL)
    assert text is not None
    data = json.loads(text[1])
    assert len(data["samples"]) == len(data["region"]) == 48
    assert [len(points) for points in data["layouts"]] == [48, 48]
    assert data["features"][0]["values"][0] is None
    assert all(0 <= place <= 1000 for points in data["layouts"] for point in points for place in point)


def test_subvolumes_are_drawn_in_a_section_of_their_own(made_up, tmp_path):
    values = read_preset("smoke").model_dump()
    values["task1"].update(tasks=("roi-c1", "roi-c1-3d"), methods=("pca",))
    values["task3"].update(encoders=("roi-c1", "roi-c1-3d"), umap_method="pca")
    values["task2"] = None
    plan = plan_of(Preset.model_validate(values))
    store = made_up(plan, tmp_path, slices=3)
    flat, deep = umap_sections(plan, store)
    assert [layout.title for layout in flat.layouts] == ["PCA trained in ROI-C1"]
    assert [layout.title for layout in deep.layouts] == ["PCA trained in ROI-C1 in 3D"]
    html = write_report(plan, store, [], tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(re.findall(r'class="umap-data">', html)) == 2
