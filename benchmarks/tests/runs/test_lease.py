import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from mtneuro_suite.runs import lease as lease_module
from mtneuro_suite.runs.lease import LeaseLost, Watch, lease


@pytest.fixture
def base(tmp_path):
    return tmp_path / "encoder-12"


def files(base):
    return sorted(path.name for path in base.parent.iterdir())


def another_machines(base, number=1):
    """Lay a lease as another machine's process would."""
    holder = {"machine": "elsewhere", "pid": 1, "start": 0.0, "token": "x"}
    path = base.with_name(f"{base.name}.lease-{number}")
    path.write_text(json.dumps(holder))
    return path


def test_a_lease_is_held_once_and_leaves_nothing_behind(base):
    held = lease(base)
    assert held is not None
    assert lease(base) is None
    assert files(base) == ["encoder-12.lease-1"]
    held.close()
    assert files(base) == []


def test_of_many_that_ask_at_once_one_gets_it(base):
    start = threading.Barrier(16)
    got = []

    def ask():
        start.wait()
        got.append(lease(base))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (held,) = [one for one in got if one is not None]
    held.close()


HOLD = """
import sys, time
from pathlib import Path
from mtneuro_suite.runs.lease import lease
assert lease(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_a_process_that_was_killed_on_this_machine_is_passed_over_at_once(base):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(base)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert lease(base) is None
        # Not yet waited for, and so a zombie for a moment.
        process.kill()
        end = time.monotonic() + 10
        while (held := lease(base)) is None and time.monotonic() < end:
            time.sleep(0.02)
    assert held is not None
    assert files(base) == ["encoder-12.lease-1", "encoder-12.lease-2"]
    held.close()
    assert files(base) == []


def test_a_process_number_that_was_given_again_is_another_process(base, monkeypatch):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    held = lease(base)
    assert held is not None
    path = base.with_name("encoder-12.lease-1")
    path.write_text(json.dumps({**json.loads(path.read_text()), "pid": other.pid, "start": 1000.0}))
    taken = lease(base)
    other.kill()
    other.wait()
    assert taken is not None
    taken.close()


def test_a_process_that_the_system_hides_is_not_dead(base, monkeypatch):
    def hidden(pid=0):
        raise psutil.NoSuchProcess(pid)

    held = lease(base)
    assert held is not None
    monkeypatch.setattr(psutil, "Process", hidden)
    assert lease(base) is None
    held.close()


def test_a_clock_that_is_set_steals_no_lease(base, monkeypatch):
    held = lease(base)
    assert held is not None
    created = psutil.Process().create_time()
    # What is reckoned from the wall clock moves with it.
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: created + 3600)
    assert lease(base) is None
    assert Watch().stale_lease(base) is None
    held.close()
    assert files(base) == []


def test_a_process_start_is_known_without_proc(monkeypatch):
    def nothing(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", nothing)
    assert lease_module._started(os.getpid()) == psutil.Process().create_time()


def test_another_machines_lease_is_free_only_after_it_was_seen_to_be_still(base):
    path = another_machines(base)
    watch = Watch(stale_after=0.2)
    assert watch.stale_lease(base) is None
    time.sleep(0.15)
    os.utime(path)
    assert watch.stale_lease(base) is None
    time.sleep(0.15)
    assert watch.stale_lease(base) is None
    time.sleep(0.1)
    assert watch.stale_lease(base) == 1
    assert lease(base) is None
    held = lease(base, stale_lease=1)
    assert held is not None
    # Another that saw the same lease stale comes too late.
    assert lease(base, stale_lease=1) is None
    held.close()
    assert watch.stale_lease(base) == 0


def test_an_old_time_is_not_proof_of_death(base):
    """Another machine's clock may be wrong by hours."""
    os.utime(another_machines(base), (0, 0))
    assert Watch().stale_lease(base) is None


def test_a_lease_is_renewed_while_it_is_held(base, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEWED_EVERY", 0.02)
    held = lease(base)
    watch = Watch(stale_after=0.3)
    end = time.monotonic() + 0.7
    while time.monotonic() < end:
        assert watch.stale_lease(base) is None
        time.sleep(0.02)
    assert held is not None
    held.close()


def test_a_holder_that_was_passed_over_hears_of_it_and_leaves_the_others_lease(base, monkeypatch):
    monkeypatch.setattr(lease_module, "RENEWED_EVERY", 0.02)
    held = lease(base)
    assert held is not None
    assert held.confirmed()
    another_machines(base, number=2)
    with pytest.raises(LeaseLost, match="encoder-12 was taken over"):
        held.check()
    end = time.monotonic() + 10
    while held.confirmed() and time.monotonic() < end:
        time.sleep(0.02)
    assert not held.confirmed()
    held.close()
    assert files(base) == ["encoder-12.lease-1", "encoder-12.lease-2"]


def test_a_lease_that_is_not_yet_written_is_held(base):
    base.with_name("encoder-12.lease-1").write_text("")
    assert lease(base) is None
    assert Watch().stale_lease(base) is None


def test_a_full_disk_leaves_no_lease(base, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lease_module.json, "dumps", full)
    with pytest.raises(OSError, match="No space left"):
        lease(base)
    assert files(base) == []
