import numpy as np
from mtneuro_ssl import fitted, from_pretrained, method_names
from mtneuro_ssl._shared.released import released_models


def test_methods_lists_every_method(run, capsys):
    run("methods")
    out = capsys.readouterr().out
    assert all(name in out for name in (*method_names(), "resnet18"))


def test_each_method_has_a_line_with_its_family_and_summary(run, capsys):
    run("methods")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(method_names()) + 1
    assert lines[2].startswith("byol ")
    assert " self-supervised " in lines[2]
    assert lines[2].endswith("  predict a slow copy's projection of another view")


def test_each_model_that_comes_with_the_package_is_whole_and_listed(run, capsys):
    run("methods", "--pretrained")
    listed = capsys.readouterr().out
    images = np.random.default_rng(0).integers(60, 200, (2, 96, 96), dtype=np.uint8)
    for name, entry in released_models().items():
        model = from_pretrained(name)
        assert fitted(model, voxel_size_um=(1, 2, 2)).embed(images).shape == (2, model.dim)
        assert f"{name} " in listed
        assert entry.digest[:12] in listed
        card = (entry.folder / "README.md").read_text(encoding="utf-8")
        assert "## Scores" in card
        assert "## Limits" in card
    assert "phantom-byol" in released_models()
