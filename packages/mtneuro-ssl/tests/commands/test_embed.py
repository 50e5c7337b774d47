import numpy as np


def test_train_then_embed_writes_the_embeddings_file(volume, tmp_path, run, tiny, capsys):
    run("train", volume, "--method", "byol", "-o", tmp_path / "byol", *tiny())
    run("embed", tmp_path / "byol", volume, "-o", tmp_path / "whole.npz")
    run("embed", tmp_path / "byol", volume, "-o", tmp_path / "corners.npz", "--corners")
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as whole:
        assert sorted(whole.files) == ["embeddings", "format_version", "sample_id"]
        assert whole["embeddings"].shape == (8, 6)
        assert whole["embeddings"].dtype == np.float32
        assert whole["sample_id"][0] == "A-CTX/z110"
        assert whole["format_version"] == 1
    with np.load(tmp_path / "corners.npz", allow_pickle=False) as corners:
        assert corners["embeddings"].shape == (32, 6)
        assert corners["sample_id"][:2].tolist() == ["A-CTX/z110/tl", "A-CTX/z110/tr"]
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"model of 6 features written to {tmp_path / 'byol'}",
        f"8 embeddings of 6 features written to {tmp_path / 'whole.npz'}",
        f"32 embeddings of 6 features written to {tmp_path / 'corners.npz'}",
    ]


def test_part_of_a_volume_is_embedded_under_the_names_of_its_slices(volume, tmp_path, run, tiny):
    run("train", volume, "--method", "pca", "-o", tmp_path / "model", "--z", "2:8", *tiny())
    run("embed", tmp_path / "model", volume, "-o", tmp_path / "part.npz", "--z", "2:4")
    with np.load(tmp_path / "part.npz") as part:
        assert part["sample_id"].tolist() == ["A-CTX/z112", "A-CTX/z113"]
