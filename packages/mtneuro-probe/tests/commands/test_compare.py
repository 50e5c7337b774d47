import numpy as np
import pandas as pd
from mtneuro_probe import load_embeddings, save_embeddings


def test_encoders_are_compared_and_the_closer_one_named(capsys, tmp_path, embed, run):
    embed(tmp_path / "near.npz", 6)
    near = load_embeddings(tmp_path / "near.npz")
    rng = np.random.default_rng(0)
    save_embeddings(tmp_path / "ref.npz", 2 * near.embeddings[::-1], sample_id=near.sample_id[::-1])
    save_embeddings(
        tmp_path / "far.npz", rng.normal(size=(60, 5)).astype(np.float32), sample_id=near.sample_id
    )
    words = ("compare", tmp_path / "near.npz", tmp_path / "far.npz", "--reference", tmp_path / "ref.npz")
    assert run(*words, "-o", tmp_path / "c.csv", "--run-length", 3) == 0
    assert "closer to ref: near" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "c.csv")) == 3
