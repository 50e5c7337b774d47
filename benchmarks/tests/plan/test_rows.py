from pathlib import Path

from mtneuro_suite.plan.rows import encoder_rows, frozen_rows, mixup_variants, network_rows, point_rows
from mtneuro_suite.preset.model import PointsPreset, RegionPreset, SegmentationPreset


def test_mixup_has_a_row_for_each_probability():
    preset = RegionPreset(methods=("byol", "supervised+mixup"), mixup_probabilities=(0.1, 0.5))
    rows = {row.name: row for row in encoder_rows(preset)}
    assert list(rows) == ["byol", *mixup_variants(preset)]
    assert rows["supervised+mixup p=0.1"].chosen["mixup_probability"] == 0.1
    assert {row.paper_method for row in rows.values()} == {"byol", "supervised+mixup"}


def test_another_seed_gives_another_result_but_of_pca_and_of_a_model_taken_as_it_is():
    own = {
        "mine": {"encoder": "resnet50"},
        "folder": {"folder": "models/mine"},
        "file": {"embeddings": "mine.npz"},
        "my pca": {"method": "pca"},
    }
    rows = encoder_rows(RegionPreset(methods=("byol", "pca"), rows=own))
    assert {row.name: row.seeded for row in rows} == {
        "byol": True, "pca": False, "mine": True, "folder": False, "file": False, "my pca": False,
    }  # fmt: skip


def test_clouds_of_points_have_two_rows_on_request_of_which_one_has_seeds():
    assert point_rows(RegionPreset()) == []
    rows = point_rows(RegionPreset(points=PointsPreset()))
    assert [(row.name, row.seeded, row.paper_method) for row in rows] == [
        ("points", True, ""),
        ("counts", False, ""),
    ]


def test_a_presets_own_row_has_no_method_of_the_papers_though_it_is_trained_by_one():
    (row,) = (row for row in encoder_rows(RegionPreset(rows={"mine": {"encoder": "resnet50"}})) if row.own)
    assert (row.method, row.paper_method) == ("byol", "")


def test_a_row_like_one_of_the_papers_has_its_method_and_stands_beside_it():
    own = {"decayed": {"like": "supervised", "weight_decay": 5e-4}}
    (row,) = (row for row in encoder_rows(RegionPreset(rows=own)) if row.own)
    assert (row.method, row.paper_method) == ("supervised", "supervised")
    assert row.chosen == {"method": "supervised", "weight_decay": 5e-4}
    (net,) = (row for row in network_rows(SegmentationPreset(rows={"deep": {"like": "unet"}})) if row.own)
    assert (net.paper_network, dict(net.chosen)) == ("unet", {"model": "unet"})


def test_the_folder_of_a_network_is_found_from_wherever_the_suite_is_run(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    own = {"here": {"folder": "net"}, "home": {"folder": "~/net"}}
    rows = network_rows(SegmentationPreset(models=("unet",), rows=own))
    assert [row.folder for row in rows] == [None, *[Path(tmp_path).resolve() / "net"] * 2]


def test_a_row_of_ones_own_says_whether_it_takes_subvolumes():
    own = {
        "flat": {"encoder": "nets:flat"},
        "deep": {"encoder": "nets:deep", "axes": 3},
        "either": {"encoder": "resnet50"},
    }
    rows = {row.name: row for row in encoder_rows(RegionPreset(methods=("byol",), rows=own))}
    deep = {name: row.deep for name, row in rows.items()}
    assert deep == {"byol": None, "flat": False, "deep": True, "either": None}
    # It is no setting of a training.
    assert rows["deep"].chosen == {"encoder": "nets:deep"}


def test_a_frozen_encoder_has_a_row_for_each_head_and_is_named_once():
    rows = frozen_rows(RegionPreset(methods=("pca",)), SegmentationPreset(frozen=("pca", "pca")))
    assert [(row.name, row.frozen, row.seeded) for row in rows] == [
        ("pca, linear", "pca", False), ("pca, convolutional", "pca", True),
    ]  # fmt: skip
    assert {row.paper_network for row in rows} == {""}


def test_a_row_of_a_file_of_embeddings_is_like_none_of_the_papers(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    own = {"supervised by hand": {"embeddings": "mine.npz"}}
    (row,) = (row for row in encoder_rows(RegionPreset(rows=own)) if row.own)
    assert (row.method, row.paper_method, row.deep) == ("embeddings", "", None)
    assert row.embeddings == Path(tmp_path).resolve() / "mine.npz"
