"""Processes that are started for work."""

import signal
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
