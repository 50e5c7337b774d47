import ctypes
import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from mtneuro_suite.runs.meter import SPENT, Meter, ProcessorEnergy, Spent, gpu_joules


def zone(folder: Path, number: str, name: str, microjoules: int, end: int = 1000) -> Path:
    """Make a counter as the kernel shows it."""
    place = folder / f"intel-rapl:{number}"
    place.mkdir(parents=True, exist_ok=True)
    for file, content in (("name", name), ("energy_uj", microjoules), ("max_energy_range_uj", end)):
        (place / file).write_text(f"{content}\n")
    return place / "energy_uj"


def test_the_processors_energy_is_of_packages_and_memory_across_a_counters_end(tmp_path):
    package, memory = zone(tmp_path, "0", "package-0", 900), zone(tmp_path, "0:1", "dram", 10)
    zone(tmp_path, "0:0", "core", 0)
    zone(tmp_path, "1", "psys", 0)
    energy = ProcessorEnergy(tmp_path)
    for name in ("0:0", "1"):
        (tmp_path / f"intel-rapl:{name}" / "energy_uj").write_text("777")
    package.write_text("100")
    memory.write_text("15")
    assert energy.joules() == pytest.approx((200 + 5) / 1e6)
    assert energy.joules() == 0


def test_energy_that_cannot_be_read_is_unknown(tmp_path):
    assert ProcessorEnergy(tmp_path / "nowhere").joules() is None
    counter = zone(tmp_path, "0", "package-0", 1)
    energy = ProcessorEnergy(tmp_path)
    counter.unlink()
    assert energy.joules() is None


class Driver:
    """Stands for NVIDIA's library of measurements."""

    def __init__(self, code: int) -> None:
        self.code = code

    def nvmlDeviceGetHandleByUUID(self, uuid, handle):
        return 0 if uuid == b"GPU-1" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, millijoules):
        ctypes.cast(millijoules, ctypes.POINTER(ctypes.c_ulonglong))[0] = 5000
        return self.code


def test_a_gpus_energy_is_asked_of_its_driver():
    assert gpu_joules("GPU-1", library=Driver(0)) == 5
    assert gpu_joules("GPU-1", library=Driver(3)) is None  # an older GPU, which does not count it
    assert gpu_joules("GPU-2", library=Driver(0)) is None


class Machine:
    """What a meter reads, set by hand."""

    now = 0.0
    own = 100.0
    busy = 1000.0
    gpu: float | None = None
    held = False

    def meter(self, folder: Path, energy: ProcessorEnergy) -> Meter:
        return Meter(
            folder,
            processors=energy,
            clock=lambda: self.now,
            own_seconds=lambda: self.own,
            busy_seconds=lambda: self.busy,
            gpu_energy=lambda: self.gpu,
            gpu_is_held=lambda: self.held,
        )


def test_a_run_has_its_share_of_the_processors_energy(tmp_path):
    counter = zone(tmp_path / "rapl", "0", "package-0", 0, end=10**12)
    machine = Machine()
    meter = machine.meter(tmp_path, ProcessorEnergy(tmp_path / "rapl"))
    for own, busy, microjoules in ((30, 40, 3_600_000), (0, 10, 7_200_000)):
        machine.now += 20
        machine.own += own
        machine.busy += busy
        counter.write_text(str(microjoules))
        spent = meter.spent()
    # Three quarters of the first 3.6 J, nothing of the second.
    assert (spent.seconds, spent.cpu_seconds) == (40, 30)
    assert spent.cpu_kwh == pytest.approx(0.75e-6)


def test_a_gpus_energy_counts_while_a_run_holds_it(tmp_path):
    machine = Machine()
    machine.gpu = 50.0
    meter = machine.meter(tmp_path, ProcessorEnergy(tmp_path))
    machine.now, machine.gpu = 9.0, 50.0 + 7.2e6
    assert meter.spent() == Spent(seconds=9, cpu_seconds=0)
    machine.held = True
    assert meter.spent() == Spent(seconds=9, cpu_seconds=0, gpu_seconds=9, gpu_kwh=2)


def test_a_resumed_run_adds_what_its_interrupted_attempts_spent(tmp_path):
    machine = Machine()
    first = machine.meter(tmp_path, ProcessorEnergy(tmp_path))
    machine.now, machine.own = 10.0, 107.0
    first.save()
    assert not (tmp_path / SPENT).exists(), "saved more often than it says"
    first.save(now=True)
    machine.now, machine.own = 500.0, 110.0
    second = machine.meter(tmp_path, ProcessorEnergy(tmp_path))
    machine.now, machine.own = 504.0, 112.0
    assert second.spent() == Spent(seconds=14, cpu_seconds=9)
    machine.now = 540.0
    second.save()
    assert json.loads((tmp_path / SPENT).read_text())["seconds"] == 50


def test_what_was_spent_before_is_unknown_where_its_file_is_damaged(tmp_path):
    (tmp_path / SPENT).write_text('{"minutes": 1}')
    assert Machine().meter(tmp_path, ProcessorEnergy(tmp_path)).spent() == Spent()


def test_this_machines_seconds_are_measured(tmp_path):
    with closing(Meter(tmp_path)) as meter:
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        spent = meter.spent()
    assert spent.seconds >= spent.cpu_seconds * 0.9 >= 0.08
    assert spent.gpu_kwh is None
