import pytest
import torch
from mtneuro_ssl._shared.foreign import (
    AskedError,
    answer_of,
    check_each_image,
    check_module,
    check_training_answer,
    module_errors_named,
)
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
        (
            Answering(channels=5),
            r"it takes 5 channels: let its first layer take 1, or .* x.expand\(-1, 5, -1, -1\)$",
        ),
        (Answering().double(), "must be float32, and 'layer.weight' is of torch.float64: end its function"),
        (Answering(lambda a: a.view(2, 3)), "got RuntimeError: .*; mend it so$"),
        (Answering(lambda a: a["out"]), "must take images of 8 x 8 .*, got [^;]*$"),
        (Answering(lambda a: a.to_sparse()), "must return a dense tensor, got one of torch.sparse_coo"),
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


def test_an_answer_that_depends_on_the_other_images_is_told():
    for change in (lambda a: a.flip(0), lambda a: a - a.mean(dim=0)):
        module = Answering(change)
        with pytest.raises(ValueError, match=r"^net must answer each image by itself, .* among 2"):
            check_each_image(module, GIVEN, answer_of(module, GIVEN, name="net"), name="net")
    module = nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3))
    check_each_image(module, GIVEN, answer_of(module, GIVEN, name="net"), name="net")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Answering(lambda a: a.detach()), "and its answer has none: leave out torch.no_grad"),
        (Answering().requires_grad_(requires_grad=False), "none of its weights require gradients"),
        (Answering(lambda a: a.sigmoid().mul_(a)), "got RuntimeError: .* modified by an inplace operation"),
    ],
)
def test_a_module_that_cannot_learn_is_told_where_it_is_to_learn(module, message):
    answer = answer_of(module, GIVEN, name="net")
    check_training_answer(module, GIVEN, answer, name="net", learns=False)
    with pytest.raises(
        ValueError, match=f"^net must pass gradients to its weights in training mode, .*{message}"
    ):
        check_training_answer(module, GIVEN, answer, name="net")


def test_a_module_that_ends_the_process_is_told_and_what_was_asked_of_it_passes():
    with (
        pytest.raises(ValueError, match=r"^net must run, got SystemExit: 3$"),
        module_errors_named("net must run"),
    ):
        raise SystemExit(3)
    with pytest.raises(AskedError, match=r"^no such part$"), module_errors_named("net must run"):
        raise AskedError("no such part")


def test_state_that_is_no_tensor_is_told():
    class Extra(Answering):
        def get_extra_state(self):
            return {"seen": 3}

    module = Extra()
    with pytest.raises(
        ValueError, match=r"^net must keep tensors alone in its state_dict, got dict as '_extra"
    ):
        check_module(module, GIVEN, answer_of(module, GIVEN, name="net"), twin=Extra(), name="net")


def test_a_layer_that_is_used_twice_passes():
    def tied():
        layer = nn.Conv2d(1, 1, 1)
        return nn.Sequential(layer, layer)

    module = tied()
    check_module(module, GIVEN, answer_of(module, GIVEN, name="net"), twin=tied(), name="net")


def test_a_want_of_memory_is_not_the_modules_fault():
    with pytest.raises(MemoryError), module_errors_named("net must take images"):
        raise MemoryError
