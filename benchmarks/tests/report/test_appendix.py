import numpy as np
import pytest
from mtneuro_data import TaskArrays

from mtneuro_suite.plan.plan import plan_of
from mtneuro_suite.preset.model import read_preset
from mtneuro_suite.report.appendix import appendix_tables, class_proportions_table, training_hours_table
from mtneuro_suite.runs.store import Store

REGIONS = ("CTX", "STR", "VP", "ZI")


@pytest.fixture
def plan():
    return plan_of(read_preset("smoke"))


def test_class_proportions_stand_beside_the_papers(plan, tmp_path):
    store = Store(tmp_path)
    region = np.arange(8) // 2
    masks = np.zeros((8, 10, 10), np.uint8)
    masks[:, 0, :3] = 2
    masks[region == 2, 5:] = 3
    for run in plan.features.needs["samples"]:
        partial = store.partial(run)
        partial.mkdir(parents=True)
        TaskArrays(
            images=np.zeros((8, 10, 10), np.uint8),
            region=region,
            masks=masks,
            sample_id=np.array([f"A-{REGIONS[place]}/z{z}" for z, place in enumerate(region)]),
            region_names=REGIONS,
            class_names=("background", "vessel", "cell", "axon"),
            voxel_size_um=(1.17, 1.17, 1.17),
            fingerprint="0" * 16,
        ).save(partial / "arrays.npz")
        store.finish(run, [], extra={}, seconds=1)
    table = class_proportions_table(plan, store)
    assert table is not None
    assert table.columns == ("background", "vessel", "cell", "axon")
    rows = dict(table.rows)
    assert list(rows) == [*REGIONS, "total"]
    assert [cell.ours for cell in rows["CTX"]] == ["97.00", "0.00", "3.00", "0.00"]
    assert [cell.ours for cell in rows["VP"]] == ["47.00", "0.00", "3.00", "50.00"]
    assert [cell.ours for cell in rows["total"]] == ["84.50", "0.00", "3.00", "12.50"]
    assert [cell.paper for cell in rows["VP"]] == ["22.75", "4.73", "5.73", "66.80"]
    assert rows["total"][1].paper == "3.74"


def test_hours_of_training_stand_beside_the_papers(finished):
    plan, store, report = finished
    table = training_hours_table(plan, store)
    assert table is not None
    byol = dict(table.rows)["BYOL"]
    seconds = [
        store.result(run)["provenance"]["seconds"]
        for run in plan.encoders
        if run.title.startswith("train byol on roi-c1")
    ]
    assert byol[0].values == pytest.approx([one / 3600 for one in seconds])
    of_papers = {4: "0.5", 2: "1.5", 1: "4"}
    regions = [region for region in plan.inputs.regions if region.trained_in == region.name]
    assert [cell.paper for cell in byol] == [
        of_papers[region.downsample] if region.paper_column == "roi-c1" else "–" for region in regions
    ]
    html = report.read_text(encoding="utf-8")
    assert "Hours of a self-supervised training" in html


def test_nothing_is_shown_of_runs_that_are_missing(plan, tmp_path):
    assert appendix_tables(plan, Store(tmp_path)) == []
