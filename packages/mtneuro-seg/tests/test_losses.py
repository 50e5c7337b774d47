"""Losses, against formulas written out and torch's own."""

import pytest
import torch
from mtneuro_seg.losses import LOSSES, balanced_weights, cross_entropy, dice, focal
from torch import nn


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 5, generator=generator)
    labels = torch.randint(3, (2, 4, 5), generator=generator)
    return logits, labels, torch.ones_like(labels, dtype=torch.bool)


def test_cross_entropy_is_torchs(case):
    logits, labels, labelled = case
    torch.testing.assert_close(cross_entropy(*case), nn.functional.cross_entropy(logits, labels))
    weights = torch.tensor([1.0, 2.0, 0.5])
    torch.testing.assert_close(
        cross_entropy(*case, weights=weights), nn.functional.cross_entropy(logits, labels, weight=weights)
    )
    labelled[0, 0] = False
    ignored = torch.where(labelled, labels, -100)
    torch.testing.assert_close(cross_entropy(*case), nn.functional.cross_entropy(logits, ignored))


def test_focal_loss_is_its_formula(case):
    logits, labels, _ = case
    sure = logits.softmax(dim=1).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(focal(*case), (-((1 - sure) ** 2) * sure.log()).mean())


def test_dice_is_its_formula(case):
    logits, labels, _ = case
    shares = logits.softmax(dim=1)
    terms = []
    for label in range(3):
        truth = (labels == label).float()
        hit = (shares[:, label] * truth).sum()
        terms.append(1 - (2 * hit + 1) / (shares[:, label].sum() + truth.sum() + 1))
    torch.testing.assert_close(dice(*case), torch.stack(terms).mean())


def test_dice_agrees_with_monai(case):
    from monai.losses import DiceLoss

    logits, labels, _ = case
    theirs = DiceLoss(softmax=True, to_onehot_y=True, batch=True, smooth_nr=1, smooth_dr=1)
    torch.testing.assert_close(dice(*case), theirs(logits, labels[:, None]))


@pytest.mark.parametrize("name", LOSSES)
def test_unlabelled_pixels_change_nothing(case, name):
    logits, labels, labelled = case
    labelled[1, 2:] = False
    before = LOSSES[name](logits, labels, labelled)
    other = torch.where(labelled[:, None], logits, logits + 5 * torch.randn(logits.shape))
    torch.testing.assert_close(LOSSES[name](other, labels.where(labelled, 0), labelled), before)


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_labels_has_no_gradient(case, name):
    logits, labels, labelled = case
    logits.requires_grad_()
    LOSSES[name](logits, labels, labelled & False).backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_perfect_prediction_has_nearly_no_loss(case, name):
    _, labels, labelled = case
    sure = 50.0 * nn.functional.one_hot(labels, 3).movedim(-1, 1).float()
    assert LOSSES[name](sure, labels, labelled) < 1e-3


def test_balanced_weights_make_every_class_weigh_the_same():
    counts = torch.tensor([900, 90, 10])
    weighed = balanced_weights(counts) * counts
    torch.testing.assert_close(weighed, weighed[0].expand(3))
