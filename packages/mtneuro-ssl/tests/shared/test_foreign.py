import pytest
import torch
from mtneuro_ssl._shared.foreign import answer_of, check_module, check_training_answer, module_errors_named
from torch import nn

GIVEN = torch.linspace(-1, 1, 2 * 8 * 8).reshape(2, 1, 8, 8)


class Answering(nn.Module):
    """A convolution, and something done to its answer or its input."""

    def __init__(self, change=lambda answer: answer, *, before=lambda x: x, channels=1):
        super().__init__()
        self.layer = nn.Conv2d(channels, 2, 1)
        self.change, self.before = change, before

    def forward(self, x):
        return self.change(self.layer(self.before(x)))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Answering(lambda a: {"out": a}),
            r"^net must return one tensor, got a dict of 'out': return one part",
        ),
        (
            Answering(lambda a: (a, a)),
            r"^net must return one tensor, got a tuple of 2: return one part of it$",
        ),
        (Answering(lambda _: None), "^net must return one tensor, got NoneType"),
        (
            Answering(channels=3),
            r"must take images of 8 x 8 and 1 channel, .* it takes 3 channels: .* x.expand\(-1, 3, -1, -1\)$",
        ),
        (Answering(lambda a: a.view(2, 3)), "got RuntimeError: .*; mend it so$"),
        (Answering(lambda a: a["out"]), "must take images of 8 x 8"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_in_one_line(module, message):
    with pytest.raises(ValueError, match=message) as refusal:
        answer_of(module, GIVEN, name="net", remedy="mend it so")
    assert "\n" not in str(refusal.value)


def test_a_trial_leaves_the_mode_and_the_statistics_of_a_module():
    module = nn.Sequential(nn.BatchNorm2d(1)).train()
    answer_of(module, GIVEN, name="net")
    assert module.training
    assert module[0].num_batches_tracked == 0


class Forgetful(nn.Module):
    """Keeps what it draws beside its parameters."""

    def __init__(self):
        super().__init__()
        self.layer, self.drawn = nn.Conv2d(1, 2, 1), torch.rand(2, 1, 1)

    def forward(self, x):
        return self.layer(x) + self.drawn


def halved(x):
    return x.mul_(0.5)


def noisy(x):
    return x + torch.rand_like(x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Answering(before=halved), r"^net must leave what it is given .* x = x.clone\(\)"),
        (lambda: Answering(lambda a: a / 0), "^net must return finite numbers, got nan or inf for images of"),
        (lambda: Answering(noisy), "answer alike when it is asked twice .* follow self.training"),
        (Forgetful, r"after its weights are saved and loaded, got another answer: .*register_buffer"),
    ],
)
def test_a_module_that_cannot_be_relied_on_is_refused(make, message):
    module = make()
    answer = answer_of(module, GIVEN.clone(), name="net")
    with pytest.raises(ValueError, match=message):
        check_module(module, GIVEN, answer, twin=make(), name="net")


def test_weights_that_a_twin_does_not_have_are_told():
    module, twin = Answering(), nn.Conv2d(1, 2, 1)
    answer = answer_of(module, GIVEN, name="net")
    with pytest.raises(ValueError, match=r"net must load the weights that it saves .*, got RuntimeError"):
        check_module(module, GIVEN, answer, twin=twin, name="net")


class Deep(Answering):
    """Returns further scores while it is trained."""

    def forward(self, x):
        answer = super().forward(x)
        return {"out": answer, "aux": answer} if self.training else answer


def test_an_answer_of_another_form_in_training_mode_is_told():
    module = Deep()
    answer = answer_of(module, GIVEN, name="net")
    check_module(module, GIVEN, answer, twin=Deep(), name="net")
    with pytest.raises(ValueError, match=r"in training mode too, got a dict of 'out', 'aux'"):
        check_training_answer(Deep(), GIVEN, answer, name="net")
    check_training_answer(Answering(), GIVEN, answer, name="net")


def test_a_layer_that_is_used_twice_passes():
    def tied():
        layer = nn.Conv2d(1, 1, 1)
        return nn.Sequential(layer, layer)

    module = tied()
    check_module(module, GIVEN, answer_of(module, GIVEN, name="net"), twin=tied(), name="net")


def test_a_want_of_memory_is_not_the_modules_fault():
    with pytest.raises(MemoryError), module_errors_named("net must take images"):
        raise MemoryError
