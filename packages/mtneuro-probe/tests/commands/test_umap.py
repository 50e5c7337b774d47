def test_a_umap_is_drawn_from_files(capsys, tmp_path, export, embed, run):
    embed(tmp_path / "e.npz", 5)
    assert run("features", export, "-o", tmp_path / "f.csv") == 0
    words = ("umap", tmp_path / "e.npz", "-o", tmp_path / "u.svg", "--features", tmp_path / "f.csv")
    assert run(*words, "--regions", export) == 0
    assert "</svg>" in (tmp_path / "u.svg").read_text()
    assert capsys.readouterr().out.endswith(f"figure written to {tmp_path / 'u.svg'}\n")
