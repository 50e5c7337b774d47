from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtneuro_data.sources.base import Source


def test_info_describes_a_volume(shell: Any, boss: Any) -> None:
    status, out, _ = shell("info", "bossdb://lab/scan/image")
    assert status == 0
    assert "40 x 150 x 200" in out
    assert "1 x 1 x 1 µm" in out


def test_info_of_a_paper_task_cites_its_data_and_says_what_it_is_not_for(
    shell: Any,
) -> None:
    status, out, _ = shell("info", "roi-c1")
    assert status == 0
    for words in ("Prasad et al. 2020", "CC BY 4.0", "Quesada et al. 2022", "not for        clinical use"):
        assert words in out
    assert "Prasad" not in shell("info", "roi-c1", "--source", "phantom")[1]


def test_info_counts_a_tasks_classes(shell: Any, task_file: Path, labels: np.ndarray) -> None:
    status, out, _ = shell("info", task_file)
    assert status == 0
    vessels = (labels[24:33, 4:36, 8:56] == 1).mean()
    assert "test     CTX   background" in out
    assert f"vessel {vessels:.2%}" in out


def test_what_a_volumes_storage_states_of_its_frame_and_packing_is_shown(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((1, 4, 6), np.uint8))
    assert "offset" not in shell("info", tmp_path / "a.npy")[1]
    monkeypatch.setattr(Source, "offset", (5, 6, 7))
    monkeypatch.setattr(Source, "encoding", "jpeg (lossy)")
    out = shell("info", tmp_path / "a.npy")[1]
    assert "offset         5, 6, 7 (z, y, x)" in out
    assert "encoding       jpeg (lossy)" in out
