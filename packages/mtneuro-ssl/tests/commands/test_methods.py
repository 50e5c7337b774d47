from mtneuro_ssl import method_names


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
