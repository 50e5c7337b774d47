"""Measure what a run spends: time, processor and GPU seconds, and energy where the machine measures it."""

import ctypes
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import psutil

from mtneuro_suite._shared.files import written_beside

SPENT = "spent.json"
"""File in an unfinished run's folder: what the interrupted attempts spent."""

SAVED_EVERY = 30.0
"""Seconds between two readings, in which no counter of energy passes its end twice."""

POWERCAP = Path("/sys/class/powercap")

_JOULE_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a run has spent; the attempts of a run that was resumed add up.

    Examples
    --------
    >>> first = Spent(seconds=10.0, cpu_seconds=8.0, cpu_kwh=0.25)
    >>> first + Spent(seconds=1.0, cpu_seconds=1.0, cpu_kwh=0.5)
    Spent(seconds=11.0, cpu_seconds=9.0, gpu_seconds=0.0, cpu_kwh=0.75, gpu_kwh=None)
    >>> (first + Spent(seconds=1.0, cpu_seconds=1.0)).cpu_kwh is None
    True
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all threads, and of processes that it started and that have ended."""

    gpu_seconds: float = 0.0
    """Time for which it held a GPU."""

    cpu_kwh: float | None = None
    """The processors' and their memory's energy, by its share of the time that they computed; None where the
    machine does not tell."""

    gpu_kwh: float | None = None
    """The GPU's energy while it held it; None where the machine does not tell, or it held none."""

    def __add__(self, other: "Spent") -> "Spent":
        cpu = None if self.cpu_kwh is None or other.cpu_kwh is None else self.cpu_kwh + other.cpu_kwh
        # An attempt that held no GPU used none of its energy.
        gpus = [each.gpu_kwh for each in (self, other) if each.gpu_seconds]
        gpu = sum(each for each in gpus if each is not None) if gpus and None not in gpus else None
        return replace(
            self,
            seconds=self.seconds + other.seconds,
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            gpu_seconds=self.gpu_seconds + other.gpu_seconds,
            cpu_kwh=cpu,
            gpu_kwh=gpu,
        )

    def known(self) -> dict[str, float]:
        """Return what is known, by name, for a result file."""
        return {name: round(value, 9) for name, value in asdict(self).items() if value is not None}


class ProcessorEnergy:
    """The energy of a machine's processors and their memory, from the kernel's counters (RAPL).

    Counts of the packages, and of memory that is not in a package's count. Many systems let only the
    administrator read them.

    Parameters
    ----------
    folder
        Where the kernel shows the counters.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._counters: list[tuple[Path, int]] = []
        with suppress(OSError, ValueError):
            for zone in sorted(folder.glob("intel-rapl:*")):
                name = (zone / "name").read_text(encoding="ascii").strip()
                if name.startswith("package") or name == "dram":
                    end = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
                    self._counters.append((zone / "energy_uj", end))
        self._last = self._read()

    def joules(self) -> float | None:
        """Return the energy since the last call, or since the start; None where the machine does not tell."""
        before, self._last = self._last, self._read()
        if before is None or self._last is None:
            return None
        return (
            sum(
                now - then if now >= then else now - then + end
                for then, now, (_, end) in zip(before, self._last, self._counters, strict=True)
            )
            / 1e6
        )

    def _read(self) -> list[int] | None:
        try:
            return [int(path.read_text(encoding="ascii")) for path, _ in self._counters] or None
        except (OSError, ValueError):
            return None


@cache
def _nvml() -> Any:
    """Return NVIDIA's library of measurements, ready for use; None where there is none."""
    try:
        library = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        return library if library.nvmlInit_v2() == 0 else None
    except (OSError, AttributeError):
        return None


def gpu_joules(uuid: str, *, library: Any = None) -> float | None:
    """Return the energy that a GPU has used since its driver was loaded; None where it does not tell.

    Parameters
    ----------
    uuid
        The GPU, as NVIDIA names it: ``GPU-…``.
    library
        NVIDIA's library of measurements; by default this machine's.
    """
    library = library or _nvml()
    if library is None:
        return None
    device, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    with suppress(AttributeError):
        if library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(device)) == 0:
            code = library.nvmlDeviceGetTotalEnergyConsumption(device, ctypes.byref(millijoules))
            return millijoules.value / 1e3 if code == 0 else None
    return None


def _gpu_joules() -> float | None:
    """Return what the GPU has used that torch computes on, if it has one that tells."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return gpu_joules(f"GPU-{torch.cuda.get_device_properties(torch.cuda.current_device()).uuid}")


def _gpu_is_held() -> bool:
    torch = sys.modules.get("torch")
    held = torch is not None and torch.cuda.is_available() and torch.cuda.max_memory_allocated() > 0
    return held or mps_is_held()


def mps_is_held() -> bool:
    """Return whether this process holds memory of a Mac's GPU."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.backends.mps.is_available() and torch.mps.driver_allocated_memory() > 0


def _own_seconds() -> float:
    times = psutil.Process().cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "system", "children_user", "children_system"))


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "guest", "guest_nice")  # guests' are in the user's, too
    return sum(times) - sum(getattr(times, name, 0.0) for name in idle)


class Meter:
    """Measures one attempt of a run, from now until it is closed.

    The processors' energy is the whole machine's: of each reading the attempt gets its share of the seconds
    that all programs computed, so that runs side by side add up to no more than was measured.

    Parameters
    ----------
    folder
        The unfinished run's folder, in which an interrupted attempt may have left what it spent.
    processors
        Counts of the processors' energy.
    clock, own_seconds, busy_seconds, gpu_energy, gpu_is_held
        What is read: the time, the processor seconds of this process and of all, the GPU's energy in joule
        since any time, and whether the attempt has held a GPU.
    every
        Seconds between two readings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        processors: ProcessorEnergy | None = None,
        clock: Callable[[], float] = time.monotonic,
        own_seconds: Callable[[], float] = _own_seconds,
        busy_seconds: Callable[[], float] = _busy_seconds,
        gpu_energy: Callable[[], float | None] = _gpu_joules,
        gpu_is_held: Callable[[], bool] = _gpu_is_held,
        every: float = SAVED_EVERY,
    ) -> None:
        self._file = folder / SPENT
        self._processors = ProcessorEnergy() if processors is None else processors
        self._clock, self._own, self._busy = clock, own_seconds, busy_seconds
        self._gpu_energy, self._gpu_is_held, self._every = gpu_energy, gpu_is_held, every
        self._lock, self._ended = Lock(), Event()
        self._earlier = _read(self._file)
        self._started = self._saved = clock()
        self._cpu_start, self._gpu_start = own_seconds(), gpu_energy()
        self._last = (self._cpu_start, busy_seconds())
        self._joules: float | None = 0.0
        if self._processors.joules() is not None:
            # A counter of energy passes its end after some minutes, a run may take hours.
            Thread(target=self._watch, name="meter", daemon=True).start()

    def close(self) -> None:
        """End the readings."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._every):
            self._read_energy()

    def _read_energy(self) -> None:
        with self._lock:
            now = (self._own(), self._busy())
            joules = self._processors.joules()
            own, busy = (new - old for new, old in zip(now, self._last, strict=True))
            self._last = now
            if joules is None or self._joules is None:
                self._joules = None
            else:
                self._joules += joules * min(own / busy, 1.0) if busy > 0 else 0.0

    def spent(self) -> Spent:
        """Return what the run has spent so far, with its interrupted attempts."""
        self._read_energy()
        seconds, held = self._clock() - self._started, self._gpu_is_held()
        gpu = self._gpu_energy() if held else None
        here = Spent(
            seconds=seconds,
            cpu_seconds=self._own() - self._cpu_start,
            gpu_seconds=seconds if held else 0.0,
            cpu_kwh=None if self._joules is None else self._joules / _JOULE_PER_KWH,
            gpu_kwh=None
            if gpu is None or self._gpu_start is None
            else (gpu - self._gpu_start) / _JOULE_PER_KWH,
        )
        return here if self._earlier is None else self._earlier + here

    def save(self, *, now: bool = False) -> None:
        """Keep what was spent for the attempt that goes on after an interruption, every now and then."""
        if (now or self._clock() - self._saved >= self._every) and self._file.parent.is_dir():
            self._saved = self._clock()
            with suppress(OSError), written_beside(self._file) as beside:
                beside.write_text(json.dumps(self.spent().known()), encoding="utf-8")


def _read(file: Path) -> Spent | None:
    """Return what interrupted attempts spent; None where nothing is known of any."""
    try:
        return Spent(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def energy_kwh(spent: Sequence[dict[str, Any]], name: str) -> tuple[float, bool] | None:
    """Return the sum of an energy over what runs spent, and whether it is all of them; None of none.

    A run that held no GPU used none of its energy.

    Examples
    --------
    >>> energy_kwh([{"cpu_kwh": 0.5}, {}], "cpu_kwh"), energy_kwh([{}], "cpu_kwh")
    ((0.5, False), None)
    >>> energy_kwh([{"gpu_kwh": 0.5, "gpu_seconds": 9.0}, {"gpu_seconds": 0.0}], "gpu_kwh")
    (0.5, True)
    """
    known = [each[name] for each in spent if name in each]
    asked = spent if name != "gpu_kwh" else [each for each in spent if each.get("gpu_seconds", 1.0)]
    return (sum(known), len(known) == len(asked)) if known else None
