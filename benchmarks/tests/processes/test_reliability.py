"""The suite, stopped in every way: nothing is lost, one clear message, and the next start goes on."""

import ctypes
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import cast

import psutil
import pytest
from mtneuro_data import builtin_task

from mtneuro_suite._shared.files import is_temporary
from mtneuro_suite.execute.attempt import Attempt
from mtneuro_suite.execute.engine import carry_out
from mtneuro_suite.execute.pool import DaskPool, own_workers
from mtneuro_suite.runs.run import Run
from mtneuro_suite.runs.store import Store
from mtneuro_suite.steps import Arrays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

TABLE = "small/results.csv"


def run_folders(output):
    return sorted(path.name for path in (output / "runs").iterdir())


def waited_for(pattern, output, process, seconds=240):
    """Return the first path that a pattern finds in the output while the suite goes on."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        found = next(iter(output.glob(pattern)), None)
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {pattern} in {output}: {process.communicate()}")


def left_behind(*folders):
    """Return what no finished suite needs: temporary and unfinished files, leases, and what is in TMPDIR.

    Dask keeps two empty locks there, by which it clears away what killed workers left.
    """
    output, temporary = folders
    marks = (".partial", ".lease-", ".failed", ".probe", ".shared-")
    half = [
        path
        for path in output.rglob("*")
        if is_temporary(path.name) or any(mark in path.name for mark in marks)
    ]
    locks = {"global.lock", "purge.lock"}
    return half + [path for path in temporary.rglob("*") if path.is_file() and path.name not in locks]


@pytest.fixture
def places(tmp_path):
    """An output folder, a TMPDIR, and the environment that sets it."""
    output, temporary = tmp_path / "output", tmp_path / "temporary"
    temporary.mkdir()
    return output, temporary, {**os.environ, "TMPDIR": str(temporary)}


def finished_runs(output: Path) -> int:
    """Return how many runs stand in their place, whole."""
    return sum(path.parent.suffix != ".partial" for path in output.glob("runs/*/result.json"))


@pytest.mark.parametrize("moments", [(0, 2, 4, 6, 8), (1, 3, 5, 7)])
def test_killed_after_any_number_of_runs_the_tables_are_the_same(places, suite, uninterrupted, moments):
    output, temporary, environment = places
    draw = random.Random(len(moments))
    at_work: list[str] = []
    # So many runs done, of 17, and a moment more: the same moments on a fast and on a slow machine.
    for done in moments:
        process = suite(output, "--workers", "2", env=environment)
        while process.poll() is None and finished_runs(output) < done:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 1.5))
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        at_work += [path.name for path in output.glob("runs/*.lease-*")]
    process = suite(output, "--workers", "2", env=environment)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (output / TABLE).read_bytes() == uninterrupted
    assert left_behind(output, temporary) == []
    # Moments in which nobody was at work would prove little.
    assert at_work


def test_three_interruptions_change_no_table(places, suite, uninterrupted):
    output, temporary, environment = places
    for stop_after in (2, 5, 8):
        process = suite(output, "--workers", "2", env=environment)
        while process.poll() is None and finished_runs(output) < stop_after:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "run the same command again" in err
    process = suite(output, "--workers", "2", env=environment)
    out, err = process.communicate()
    assert process.returncode == 0, err
    before = re.search(r"(\d+) done before", err)
    assert before is not None, err
    assert int(before[1]) >= stop_after
    assert (output / TABLE).read_bytes() == uninterrupted
    process = suite(output, "--workers", "2", env=environment)
    again, err = process.communicate()
    assert "0 to do" in err
    assert again == out
    assert left_behind(output, temporary) == []


@pytest.mark.parametrize("between", [0.0, 0.02, 0.1])
def test_a_second_ctrl_c_in_a_terminal_is_one_line_and_loses_no_lease(
    tmp_path, suite, suite_command, uninterrupted, between
):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, suite_command(tmp_path, "--workers", "2"))
    shown = b""

    def read(seconds: float) -> bool:
        nonlocal shown
        if not select.select([terminal], [], [], seconds)[0]:
            return True
        try:
            shown += os.read(terminal, 4096)
        except OSError:  # nobody has the terminal open any more
            return False
        return True

    while not any(tmp_path.glob("runs/*.lease-*")):
        assert read(0.05), shown
    for _ in range(3):
        os.write(terminal, b"\x03")
        read(between)
        time.sleep(between)
    workers = psutil.Process(child).children(recursive=True)
    while read(60):
        pass
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) in (130, -signal.SIGINT)
    told = shown.decode().rpartition("\x1b[?25h")[2].replace("^C", "").strip()
    assert re.fullmatch("run_all.py: interrupted; what is done is kept: [^\r\n]*", told), shown
    psutil.wait_procs(workers, timeout=30)
    assert not [worker for worker in workers if worker.is_running()]
    _, err = suite(tmp_path, "--workers", "2").communicate()
    assert (tmp_path / TABLE).read_bytes() == uninterrupted, err
    assert not list(tmp_path.glob("runs/*.lease-*"))


def test_killed_while_it_writes_its_report_the_next_start_writes_the_same(places, suite):
    output, temporary, environment = places
    listed, _ = suite(output, "--list", env=environment).communicate()
    name = next(word for word in listed.split() if word.startswith("arrays-"))
    arguments = ("--workers", "0", "--only", name)

    def files():
        return {path.name: path.read_bytes() for path in (output / "small").iterdir()}

    suite(output, *arguments, env=environment).communicate()
    whole = files()
    draw, killed = random.Random(4), 0
    for _ in range(8):
        shutil.rmtree(output / "small")
        process = suite(output, *arguments, env=environment)
        waited_for("small/*", output, process)
        time.sleep(draw.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.communicate()
        assert all(whole[name] == content for name, content in files().items() if name in whole)
    assert killed > 3
    process = suite(output, *arguments, env=environment)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert files() == whole
    assert sorted(whole) == ["about.json", "report.html", "results.csv"]
    assert left_behind(output, temporary) == []


def test_two_suites_at_one_folder_do_nothing_twice_and_end_with_the_same_tables(
    tmp_path, suite, uninterrupted
):
    both = [suite(tmp_path, "--workers", "1") for _ in range(2)]
    ends = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    assert (tmp_path / TABLE).read_bytes() == uninterrupted
    tables = {out[out.index("Table 1") : out.index("results written to")] for out, _ in ends}
    assert len(tables) == 1
    processes = set()
    for log in (tmp_path / "runs").glob("*/run.log"):
        (line,) = log.read_text().splitlines()
        processes.add(line.split()[2])
    assert len(processes) == 2, "both had a share"
    assert not [name for name in run_folders(tmp_path) if "." in name]


def test_one_of_two_suites_killed_the_other_takes_its_run_over(tmp_path, suite, uninterrupted):
    first = suite(tmp_path, "--workers", "1")
    lease = waited_for("runs/encoder-*.lease-1", tmp_path, first)
    second = suite(tmp_path, "--workers", "1")
    time.sleep(2)
    os.killpg(first.pid, signal.SIGKILL)
    _, err = second.communicate()
    assert second.returncode == 0, err
    assert (tmp_path / TABLE).read_bytes() == uninterrupted
    assert "Z" in lease.name or not lease.exists()


@pytest.mark.parametrize("workers", ["2", "4"])
def test_tables_do_not_depend_on_the_number_of_workers(tmp_path, suite, uninterrupted, workers):
    process = suite(tmp_path, "--workers", workers)
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (tmp_path / TABLE).read_bytes() == uninterrupted


def test_a_worker_that_is_killed_each_time_fails_its_run_alone(tmp_path, suite, uninterrupted):
    """As the kernel does when memory is out."""
    process = suite(tmp_path, "--workers", "1")
    killed = 0
    name = waited_for("runs/encoder-*.lease-*", tmp_path, process).name.split(".")[0]
    seen = set()
    while process.poll() is None and not (tmp_path / "runs" / f"{name}.failed.json").exists():
        for lease in (tmp_path / "runs").glob(f"{name}.lease-*"):
            try:
                pid = json.loads(lease.read_text())["pid"]
            except (OSError, ValueError):
                continue
            if pid not in seen:
                seen.add(pid)
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    _, err = process.communicate()
    assert process.returncode == 1
    assert killed == 4
    assert "its worker process was lost 4 times (out of memory, killed, or its machine gone)" in err
    assert err.count("failed: ") == 1
    assert f"--only {name}" in err
    # Asked for once more, nothing need be said: a lost worker says nothing of the run.
    process = suite(tmp_path, "--workers", "1")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (tmp_path / TABLE).read_bytes() == uninterrupted


def test_a_run_that_needs_more_memory_than_there_is_fails_alone(tmp_path):
    class Heard:
        def progressed(self, run_id, done, total): ...

        def finished(self, run_id, failure): ...

    task = builtin_task("semantics").with_source("phantom")
    (part,) = task.splits["all"]
    settings = [
        task.replaced(name="part", splits={"all": (part,)}, downsample=1, z_step=z_step)
        for z_step in (1, 180)
    ]
    large, small = [Run(step=Arrays(task=one, files={}), title=f"{n}") for n, one in enumerate(settings)]
    store = Store(tmp_path)
    with own_workers(1) as client:
        pool = DaskPool(client, tmp_path, Heard())
        # The worker's libraries first: the limit is for its work.
        assert carry_out([Attempt(small)], store, Heard(), pool) == []
        ((_, pid),) = cast("dict[str, int]", client.run(os.getpid)).items()
        size = psutil.Process(pid).memory_info().vms + 200 * 2**20
        client.run(resource.setrlimit, resource.RLIMIT_AS, (size, size))
        stamp = store.stamp(small)
        assert stamp is not None
        both = [Attempt(large), Attempt(small, replace=stamp)]
        (failure,) = carry_out(both, store, Heard(), pool)
    assert failure.run == large
    assert failure.reason.startswith("out of memory (")
    assert "use fewer --workers or a machine with more" in failure.reason
    assert store.stamp(small) != stamp


def limited(which, amount):
    return lambda: resource.setrlimit(which, (amount, amount))


def test_a_file_too_large_fails_with_one_message_and_the_next_start_goes_on(tmp_path, suite, uninterrupted):
    limit = limited(resource.RLIMIT_FSIZE, 200_000)
    process = suite(tmp_path, "--workers", "0", preexec_fn=limit)
    _, err = process.communicate()
    assert process.returncode == 1, err
    assert "no file may grow that large here" in err
    assert "and run the same command again" in err
    assert "Traceback" not in err
    process = suite(tmp_path, "--workers", "2")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (tmp_path / TABLE).read_bytes() == uninterrupted


def unprivileged():
    # PR_CAPBSET_DROP of CAP_DAC_OVERRIDE: to root, too, a folder's mode then means something.
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_an_output_that_cannot_be_written_is_refused_in_one_line(tmp_path, suite):
    output = tmp_path / "output"
    output.mkdir()
    output.chmod(0o555)
    process = suite(output, "--workers", "2", preexec_fn=unprivileged)
    out, err = process.communicate()
    assert process.returncode == 2, out
    (line,) = err.strip().splitlines()
    assert f"output must be a folder that can be written, got {output}: Permission denied" in line


def test_a_damaged_checkpoint_is_left_and_the_log_says_so(tmp_path, suite, uninterrupted):
    for kind in ("encoder", "segmenter"):
        process = suite(tmp_path, "--workers", "2")
        checkpoint = waited_for(f"runs/{kind}-*.partial/model.partial/[!.]*.ckpt", tmp_path, process)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    process = suite(tmp_path, "--workers", "2")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert (tmp_path / TABLE).read_bytes() == uninterrupted
    logs = [log.read_text() for log in (tmp_path / "runs").glob("*/run.log")]
    assert sum("): restarted" in log for log in logs) == 2
