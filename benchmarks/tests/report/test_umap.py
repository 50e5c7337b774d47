import json
import re

from mtneuro_suite.report.umap import MOST_POINTS, chosen_samples


def test_the_samples_that_are_drawn_are_spread_over_all():
    chosen = chosen_samples(5760)
    assert len(set(chosen.tolist())) == MOST_POINTS
    assert (chosen[0], chosen[-1]) == (0, 5759)


def test_a_reports_umap_says_what_was_not_measured(finished):
    html = finished[2].read_text(encoding="utf-8")
    text = re.search(r'id="umap-data">(.*?)</script>', html, re.DOTALL)
    assert text is not None
    data = json.loads(text[1])
    assert len(data["samples"]) == len(data["region"]) == 48
    assert [len(points) for points in data["layouts"]] == [48, 48]
    assert data["features"][0]["values"][0] is None
    assert all(0 <= place <= 1000 for points in data["layouts"] for point in points for place in point)
