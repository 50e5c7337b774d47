"""``mtneuro-ssl push``, and commands that take what it pushed."""

import numpy as np
from mtneuro_ssl import TrainSettings, untrained


def test_a_pushed_model_embeds_by_the_name_that_pins_it(hub, run, tmp_path, volume, capsys):
    untrained(TrainSettings(encoder="tiny_lab:encoder", latent_dim=6, device="cpu")).save(tmp_path / "model")
    run("push", tmp_path / "model", "owner/name", "--licence", "mit", "--private", "--metric", "accuracy=0.5")
    first, last = capsys.readouterr().out.splitlines()
    assert first == "model pushed to owner/name (private)"
    trust = ("--trust", "tiny_lab:encoder")
    run("embed", last.removeprefix("pinned: "), volume, "-o", tmp_path / "theirs.npz", *trust)
    run("embed", tmp_path / "model", volume, "-o", tmp_path / "ours.npz", *trust)
    with np.load(tmp_path / "ours.npz") as ours, np.load(tmp_path / "theirs.npz") as theirs:
        np.testing.assert_array_equal(ours["embeddings"], theirs["embeddings"])


def test_what_cannot_be_pushed_is_refused_in_a_line(hub, run, tmp_path, volume, capsys):
    def refused(*arguments: object) -> str:
        run(*arguments, status=2)
        (line,) = capsys.readouterr().err.splitlines()
        return line

    untrained(TrainSettings(encoder="tiny_lab:encoder", latent_dim=6, device="cpu")).save(tmp_path / "model")
    assert "--licence mit" in refused("push", tmp_path / "model", "owner/name")
    assert "--metric must be name=value" in refused(
        "push", tmp_path / "model", "owner/name", "--metric", "good"
    )
    assert "a model folder must hold config.json" in refused(
        "push", tmp_path, "owner/name", "--licence", "mit"
    )
    hub.add("owner/old", config_json=b"{}", pytorch_bin=b"")
    told = refused("embed", "owner/old", volume, "-o", tmp_path / "a.npz")
    assert "holds weights as pickle alone (pytorch.bin)" in told
    assert "the hub has no repository 'owner/absent'" in refused(
        "embed", "owner/absent", volume, "-o", tmp_path / "a.npz"
    )
