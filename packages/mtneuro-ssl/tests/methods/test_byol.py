import numpy as np
import pytest
import torch
from mtneuro_ssl.schedules import target_momentum


def test_byol_is_its_formula(method_of, random_views, formulas, assert_same_gradients):
    method = method_of("byol")
    v1, v2 = random_views(2)
    assert_same_gradients(method, method.loss(v1, v2), formulas.byol(method, v1, v2))


def test_the_target_follows_parameters_only(method_of):
    method = method_of("byol")
    before = {name: value.clone() for name, value in method.state_dict().items()}
    method.after_step(4)
    momentum = target_momentum(4, 10, base=0.996)
    assert momentum == pytest.approx(1 - 0.004 * (1 + np.cos(np.pi * 0.4)) / 2)
    buffers = {name for name, _ in method.named_buffers()}
    for name, value in method.state_dict().items():
        if name.startswith("target_") and name not in buffers:
            online = before[name.removeprefix("target_")]
            torch.testing.assert_close(value, momentum * before[name] + (1 - momentum) * online)
        else:
            assert torch.equal(value, before[name]), name


def test_a_step_passes_no_view_twice(method_of, encoder_passes):
    assert encoder_passes(method_of("byol").float()) == (2, 2)
