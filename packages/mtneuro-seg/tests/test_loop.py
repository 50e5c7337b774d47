"""The loop that steps a network through its schedule, and what it leaves as it was."""

import signal
import threading

import numpy as np
import pytest
import torch


class StopError(RuntimeError):
    """What a test interrupts a training with."""


def test_the_history_has_a_row_an_epoch_and_ends_with_the_schedule(segmenter, fitted, tmp_path):
    history = fitted(segmenter(epochs=3), tmp_path)
    assert [(row["epoch"], row["step"]) for row in history] == [(1, 2), (2, 4), (3, 6)]


def test_progress_counts_every_step(segmenter, fitted, tmp_path):
    told: list[tuple[int, int]] = []
    fitted(segmenter(), tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_checkpoint_that_is_there_is_gone_on_from(segmenter, fitted, tmp_path):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise StopError

    with pytest.raises(StopError):
        fitted(segmenter(checkpoint_every=1), tmp_path, progress=stop)
    done: list[int] = []
    resumed, whole = segmenter(checkpoint_every=1), segmenter()
    history = fitted(resumed, tmp_path, progress=lambda step, _: done.append(step))
    assert done == [4]
    assert history == fitted(whole, tmp_path / "whole")
    for one, other in zip(resumed.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_finished_training_is_not_repeated(segmenter, fitted, tmp_path):
    history = fitted(segmenter(), tmp_path)
    again = fitted(segmenter(), tmp_path, progress=lambda *_: pytest.fail("it took a step"))
    assert again == history


def test_the_network_ends_with_the_best_weights_where_they_are_kept(segmenter, fitted, tmp_path, monkeypatch):
    module, short = segmenter(keep="best", epochs=3), segmenter(epochs=2)
    hits = iter((50, 90, 70))
    monkeypatch.setattr(module, "validate", lambda: (0.0, np.array([[0, 10], [0, next(hits)]])))
    fitted(module, tmp_path)
    fitted(short, tmp_path / "short")
    for one, other in zip(module.network.parameters(), short.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_training_works_in_a_thread(segmenter, fitted, tmp_path):
    found: list[tuple[dict[str, float], ...]] = []
    thread = threading.Thread(target=lambda: found.append(fitted(segmenter(steps=1), tmp_path)))
    thread.start()
    thread.join()
    assert found[0][-1]["step"] == 1


def test_ctrl_c_comes_through_and_the_next_one_too(segmenter, fitted, tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fitted(segmenter(), tmp_path, progress=interrupt)
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_callers_random_state_is_left_alone(segmenter, fitted, tmp_path):
    module = segmenter(steps=1)
    before = torch.get_rng_state()
    fitted(module, tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_deterministic_mode_is_left_again(segmenter, fitted, tmp_path):
    before = torch.get_num_threads()
    used: list[tuple[int, bool]] = []

    def seen(done: int, total: int) -> None:
        used.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))

    fitted(segmenter(steps=1, deterministic=True), tmp_path, progress=seen)
    assert used == [(1, True)]
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("unchecked")
def test_memory_that_runs_out_is_told_with_what_to_lower(segmenter, fitted, tmp_path):
    module = segmenter()

    def greedy(images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("tried to allocate 80 GiB")

    module.network.forward = greedy
    with pytest.raises(ValueError, match=r"training must fit into memory, .* lower batch_size, raise accum"):
        fitted(module, tmp_path)
