"""The schedule: every image once an epoch, in an order that follows from the seed and the step alone."""

import numpy as np
from mtneuro_seg import TrainSettings
from mtneuro_seg.schedule import Schedule


def test_an_epoch_sees_every_image_once_and_the_next_one_in_another_order():
    schedule = Schedule.of(10, TrainSettings(batch_size=4, epochs=2))
    first, second = (
        np.concatenate([schedule.batch(step) for step in steps]) for steps in ([0, 1, 2], [3, 4, 5])
    )
    assert sorted(first) == sorted(second) == list(range(10))
    assert first.tolist() != second.tolist()


def test_a_last_batch_of_one_image_is_left_out_unless_it_is_the_only_one():
    assert Schedule.of(9, TrainSettings(batch_size=4)).steps_per_epoch == 2
    assert Schedule.of(1, TrainSettings(batch_size=4)).batch(0).tolist() == [0]


def test_a_number_of_steps_goes_before_the_epochs():
    assert Schedule.of(8, TrainSettings(batch_size=4, epochs=20, steps=7)).steps == 7
