"""What a result was made with: versions, commit, device, time and memory."""

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from mtneuro_suite import SUITE_VERSION
from mtneuro_suite.runs.meter import Spent, mps_is_held

_HERE = Path(__file__)


def _git(*arguments: str) -> str:
    here = _HERE.parent
    return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout


def git_commit() -> str | None:
    """Return the checkout's commit, with ``+changes`` where the tree is not clean; None without a checkout.

    An installed suite may lie inside a repository of the user's, which does not hold it.
    """
    try:
        _git("ls-files", "--error-unmatch", _HERE.name)
        return _git("rev-parse", "HEAD").strip() + ("+changes" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def made_by(commit: str | None, versions: Mapping[str, str]) -> str:
    """Return whose code made a result: its commit, or else the version of the distribution.

    Examples
    --------
    >>> made_by("0a1b", {"mtneuro": "0.1.0"}), made_by(None, {"mtneuro": "0.1.0"}), made_by(None, {})
    ('0a1b', 'mtneuro 0.1.0', 'unknown')
    """
    return commit or (f"mtneuro {versions['mtneuro']}" if "mtneuro" in versions else "unknown")


def forget_peak_memory() -> None:
    """Reset the process's peak memory, where the system can, because a worker does many runs."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_kib() -> int:
    """Return the most memory that the process held since it was last reset, or else since its start."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return _peak_since_start_kib()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])


def _peak_since_start_kib() -> int:
    info = psutil.Process().memory_info()
    if peak := getattr(info, "peak_wset", None):  # Windows
        return peak // 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak


def provenance(seconds: float, *, spent: Spent | None = None) -> dict[str, Any]:
    """Return what a result was made with: versions, commit, device, time, energy where known, peak memory."""
    versions: dict[str, str] = {}
    for name in (
        "mtneuro",
        "mtneuro-data",
        "mtneuro-ssl",
        "mtneuro-seg",
        "mtneuro-probe",
        "numpy",
        "zarr",
        "torch",
        "lightning",
        "lightly",
        "timm",
        "segmentation-models-pytorch",
        "monai",
        "scikit-learn",
        "umap-learn",
        "connected-components-3d",
    ):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    torch = sys.modules.get("torch")
    gpu_memory = torch.cuda.max_memory_allocated() if torch and torch.cuda.is_available() else 0
    return {
        "suite_version": SUITE_VERSION,
        "commit": git_commit(),
        "python": platform.python_version(),
        "versions": versions,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if torch and gpu_memory else "mps" if mps_is_held() else "cpu",
        "peak_gpu_memory_mib": gpu_memory // 2**20,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        **({} if spent is None else spent.known()),
        "seconds": round(seconds, 2),
        "peak_memory_mib": peak_memory_kib() // 1024,
    }
