"""Processes that are started for work."""

import signal
import subprocess
import sys
import time
from multiprocessing import active_children

import pytest
from mtneuro_ssl._shared.process_pool import process_pool


def test_work_is_done_elsewhere_and_the_processes_end_with_the_block():
    with process_pool(2) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
    assert not active_children()


def test_an_interruption_ends_a_process_in_the_midst_of_its_work():
    def interrupted() -> None:
        with process_pool(1) as pool:
            pool.submit(abs, -1).result()
            pool.submit(time.sleep, 600)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not active_children()


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows masks no signals")
def test_a_process_does_not_hear_ctrl_c_and_the_caller_does():
    with process_pool(1) as pool:
        assert signal.SIGINT in pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


STARTER = """
import os, time
from mtneuro_ssl._shared.process_pool import process_pool
with process_pool(2) as pool:
    pool.submit(time.sleep, 600)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(600)
"""


def test_processes_end_when_the_one_that_started_them_is_killed():
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    assert starter.stdout.readline()
    starter.kill()
    # Both processes, the busy and the idle one, hold the pipe open for as long as they live.
    starter.communicate(timeout=30)
