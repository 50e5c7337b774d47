import numpy as np
import pytest


def test_train_then_embed_writes_the_embeddings_file(volume, tmp_path, run, tiny, capsys):
    run("train", volume, "--method", "byol", "-o", tmp_path / "byol", *tiny())
    run("embed", tmp_path / "byol", volume, "-o", tmp_path / "whole.npz")
    run("embed", tmp_path / "byol", volume, "-o", tmp_path / "corners.npz", "--corners")
    with np.load(tmp_path / "whole.npz", allow_pickle=False) as whole:
        names = ["embeddings", "format_version", "region", "region_names", "sample_id"]
        assert sorted(whole.files) == names
        assert whole["region"].tolist() == [0, 1] * 4
        assert whole["embeddings"].shape == (8, 6)
        assert whole["embeddings"].dtype == np.float32
        assert whole["sample_id"][0] == "A-CTX/z110"
        assert whole["format_version"] == 1
    with np.load(tmp_path / "corners.npz", allow_pickle=False) as corners:
        assert corners["embeddings"].shape == (32, 6)
        assert corners["region"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 4
        assert corners["region_names"].tolist() == ["CTX", "STR"]
        assert corners["sample_id"][:2].tolist() == ["A-CTX/z110/tl", "A-CTX/z110/tr"]
    out = capsys.readouterr().out.splitlines()
    assert out == [
        f"model of 6 features written to {tmp_path / 'byol'}",
        f"8 embeddings of 6 features written to {tmp_path / 'whole.npz'}",
        f"32 embeddings of 6 features written to {tmp_path / 'corners.npz'}",
    ]


@pytest.mark.parametrize("method", ["byol", "pca"])
def test_a_model_of_subvolumes_embeds_those_of_a_volume(method, volume, tmp_path, run, tiny, capsys):
    deep = tiny("depth=2", "encoder=tiny_lab:encoder_3d")
    run("train", volume, "--method", method, "-o", tmp_path / "model", *deep)
    trust = ["--trust", "tiny_lab:encoder_3d"]
    run("embed", tmp_path / "model", volume, "-o", tmp_path / "whole.npz", *trust)
    run("embed", tmp_path / "model", volume, "-o", tmp_path / "corners.npz", "--corners", *trust)
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "corners.npz") as corners:
        ids = [f"A-CTX/z{z}" for z in (110, 112, 114, 116)]
        assert whole["sample_id"].tolist() == ids
        assert whole["region"].tolist() == [0] * 4  # a tie of both regions
        assert corners["sample_id"].tolist() == [
            f"{name}/{at}" for name in ids for at in ("tl", "tr", "bl", "br")
        ]
        assert len(whole["embeddings"]) == 4
        assert len(corners["embeddings"]) == 16
    # An export of the subvolumes themselves is the same.
    with np.load(volume) as export:
        np.savez(tmp_path / "deep.npz", images=export["images"].reshape(4, 2, 16, 16), sample_id=ids)
    run("embed", tmp_path / "model", tmp_path / "deep.npz", "-o", tmp_path / "deep-e.npz", *trust)
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "deep-e.npz") as same:
        np.testing.assert_array_equal(whole["embeddings"], same["embeddings"])


def test_a_model_remembers_the_window_it_was_trained_with(volume, tmp_path, run, tiny, capsys):
    with np.load(volume) as archive:
        images = archive["images"]
    wide = tmp_path / "wide.npy"
    np.save(wide, images.astype(np.uint16) * 10)
    run("train", wide, "--method", "pca", "-o", tmp_path / "window", "--intensity", "0:2550", *tiny())
    run("train", volume, "--method", "pca", "-o", tmp_path / "grey", *tiny())
    run("embed", tmp_path / "window", wide, "-o", tmp_path / "a.npz")
    run("embed", tmp_path / "grey", wide, "-o", tmp_path / "b.npz", "--intensity", "0:2550")
    with np.load(tmp_path / "a.npz") as a, np.load(tmp_path / "b.npz") as b:
        np.testing.assert_array_equal(a["embeddings"], b["embeddings"])


def test_part_of_a_volume_is_embedded_under_the_names_of_its_slices(volume, tmp_path, run, tiny):
    run("train", volume, "--method", "pca", "-o", tmp_path / "model", "--z", "2:8", *tiny())
    run("embed", tmp_path / "model", volume, "-o", tmp_path / "part.npz", "--z", "2:4")
    with np.load(tmp_path / "part.npz") as part:
        assert part["sample_id"].tolist() == ["A-CTX/z112", "A-CTX/z113"]
