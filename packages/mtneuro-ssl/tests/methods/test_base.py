from dataclasses import replace

import numpy as np
import pytest
import torch

BATCH = 5


def test_a_method_follows_its_schedules_at_every_step(method_of):
    method = method_of("myow", warmup_fraction=0.3, mined_rampup_fraction=0.4)
    found = method.configure_optimizers()
    optimizer, schedule = found["optimizer"], found["lr_scheduler"]["scheduler"]
    for t in range(10):
        falling = (1 + np.cos(np.pi * (t - 3) / 7)) / 2
        rate = 0.03 * BATCH / 256 * (t / 3 if t < 3 else falling)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(rate)
        assert method.weight_at(t) == pytest.approx(0.1 * min(t / 4, 1))
        before = [part.clone() for part in method.target_mined_projector.parameters()]
        with torch.no_grad():
            for part in method.mined_projector.parameters():
                part.add_(0.01)
        method.after_step(t)
        momentum = 1 - 0.004 * (1 + np.cos(np.pi * t / 10)) / 2
        for slow, online, old in zip(
            method.target_mined_projector.parameters(),
            method.mined_projector.parameters(),
            before,
            strict=True,
        ):
            torch.testing.assert_close(slow, momentum * old + (1 - momentum) * online, rtol=1e-12, atol=1e-14)
        optimizer.step()
        schedule.step()


def test_the_optimiser_has_the_protocols_settings(method_of):
    for name, momentum, decay, rate in (("byol", 0.9, 5e-4, 0.03 * 5 / 256), ("supervised", 0.0, 0.3, 0.03)):
        method = method_of(name)
        group = method.configure_optimizers()["optimizer"].param_groups[0]
        assert (group["momentum"], group["weight_decay"]) == (momentum, decay)
        assert group["initial_lr"] == pytest.approx(rate)
        trained = [p for n, p in method.named_parameters() if not n.startswith("target")]
        assert len(group["params"]) == len(trained)


def test_decay_may_leave_out_biases_and_norms(method_of):
    method = method_of("byol", decay_biases=False, optimiser="lars")
    decayed, free = method.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (5e-4, 0)
    names = {id(p): name for name, p in method.named_parameters()}
    assert all(names[id(p)].endswith("weight") for p in decayed["params"])
    norms = [m for m in method.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    free_ids = {id(p) for p in free["params"]}
    assert {id(p) for m in norms for p in m.parameters() if p.requires_grad} <= free_ids
    assert {id(p) for n, p in method.named_parameters() if n.endswith("bias") and p.requires_grad} <= free_ids


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "lars"])
def test_every_optimiser_lowers_the_loss_of_one_batch(name, method_of):
    method = method_of("byol", optimiser=name, learning_rate=5 if name == "lars" else 0.1).float()
    optimiser = method.configure_optimizers()["optimizer"]
    for group in optimiser.param_groups:
        group["lr"] = group["initial_lr"]
    draw = method.draw_at(0)
    views = draw.view(), draw.view()
    before = method.loss(*views).item()
    for _ in range(5):
        optimiser.zero_grad()
        method.loss(*views).backward()
        optimiser.step()
    assert method.loss(*views).item() < before


def test_the_parts_of_all_processes_make_up_the_batch(method_of):
    draw = method_of("byol", batch_size=6).draw_at(0)
    rows = torch.arange(6)
    parts = [replace(draw, share=(rank, 3)).own(rows).tolist() for rank in range(3)]
    assert parts == [[0, 1], [2, 3], [4, 5]]


def test_a_batch_without_labels_is_refused_where_they_are_needed(method_of):
    draw = replace(method_of("supervised").draw_at(0), labels=None)
    with pytest.raises(ValueError, match="method 'supervised' needs labels, got none"):
        draw.batch_labels()


def test_whole_images_are_in_the_order_of_the_batch(method_of):
    method = method_of("supervised", mean=0, sd=1)
    draw = method.draw_at(2)
    np.testing.assert_allclose(
        draw.whole()[:, 0].numpy() * 255, method.images[draw.positions].numpy(), atol=1e-3
    )
