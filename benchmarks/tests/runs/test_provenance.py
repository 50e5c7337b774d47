import subprocess
from importlib.metadata import version
from pathlib import Path

import numpy as np

from mtneuro_suite.runs import provenance as module
from mtneuro_suite.runs.meter import Spent
from mtneuro_suite.runs.provenance import forget_peak_memory, git_commit, peak_memory_kib, provenance


def test_a_runs_peak_of_memory_is_its_own():
    np.ones(2**25).sum()
    before = peak_memory_kib()
    forget_peak_memory()
    assert peak_memory_kib() < before - 2**17


def test_a_result_says_what_it_was_made_with():
    made = provenance(1.5)
    assert made["seconds"] == 1.5
    assert "cpu_seconds" not in made
    assert {"numpy", "mtneuro-data"} <= made["versions"].keys()
    assert made["versions"]["mtneuro"] == version("mtneuro")


def test_an_installed_suite_has_no_commit_even_inside_a_repository_of_the_users(tmp_path, monkeypatch):
    def git(*words):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    installed = tmp_path / "environment" / Path(module.__file__).name
    installed.parent.mkdir()
    installed.write_text("")
    monkeypatch.setattr(module, "_HERE", installed)
    assert git_commit() is None
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "mine")
    assert git_commit() is None
    # A checkout holds the file.
    git("add", ".")
    git("commit", "--quiet", "--message", "the suite")
    assert git_commit() == git("rev-parse", "HEAD")
    installed.write_text("# edited")
    assert git_commit() == git("rev-parse", "HEAD") + "+changes"


def test_a_result_says_what_it_spent_as_far_as_that_is_known():
    made = provenance(1.5, spent=Spent(seconds=1.5, cpu_seconds=1.25, cpu_kwh=0.5))
    assert (made["cpu_seconds"], made["gpu_seconds"], made["cpu_kwh"]) == (1.25, 0, 0.5)
    assert "gpu_kwh" not in made
