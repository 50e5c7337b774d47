import numpy as np

from mtneuro_suite.runs.provenance import forget_peak_memory, peak_memory_kib, provenance


def test_a_runs_peak_of_memory_is_its_own():
    np.ones(2**25).sum()
    before = peak_memory_kib()
    forget_peak_memory()
    assert peak_memory_kib() < before - 2**17


def test_a_result_says_what_it_was_made_with():
    made = provenance(1.5)
    assert made["seconds"] == 1.5
    assert {"numpy", "mtneuro-data"} <= made["versions"].keys()
