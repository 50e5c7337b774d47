"""The header of a card is YAML."""

import pytest
from mtneuro_ssl._shared.card import header, model_index


def test_a_header_is_yaml_and_holds_what_it_was_given(tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    fields = {
        "license": "mit",
        "tags": ["2d", "a: b", 'quoted "word"'],
        "model-index": model_index("U-Net", "image-segmentation", {"mean_iou": 0.5}, dataset="own images"),
    }
    (tmp_path / "README.md").write_text("\n".join([*header(fields), "# A model", ""]))
    assert hub.metadata_load(tmp_path / "README.md") == fields


def test_scores_are_read_as_results_by_the_hubs_client():
    hub = pytest.importorskip("huggingface_hub")
    index = model_index("U-Net", "image-segmentation", {"mean_iou": 0.5, "f1": 0.6}, dataset="own images")
    data = hub.ModelCardData(**{"model-index": index})
    assert [(each.metric_type, each.metric_value) for each in data.eval_results] == [
        ("mean_iou", 0.5),
        ("f1", 0.6),
    ]
    assert data.eval_results[0].dataset_name == "own images"
