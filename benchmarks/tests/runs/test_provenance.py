import numpy as np

from mtneuro_suite.runs.meter import Spent
from mtneuro_suite.runs.provenance import forget_peak_memory, peak_memory_kib, provenance


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


def test_a_result_says_what_it_spent_as_far_as_that_is_known():
    made = provenance(1.5, spent=Spent(seconds=1.5, cpu_seconds=1.25, cpu_kwh=0.5))
    assert (made["cpu_seconds"], made["gpu_seconds"], made["cpu_kwh"]) == (1.25, 0, 0.5)
    assert "gpu_kwh" not in made
