import numpy as np
import torch
from mtneuro_ssl import TrainSettings
from mtneuro_ssl.methods.pairwise import Pairwise
from torch import Tensor, nn

SETTINGS = TrainSettings(method="simclr", batch_size=4, steps=2, mean=0, sd=1)


class Difference(Pairwise):
    """The sum of the first projections less the sum of the second."""

    def build(self, width: int, classes: int) -> None:
        self.projector = nn.Linear(width, 1, bias=False)
        nn.init.constant_(self.projector.weight, 2)
        self.compared: list[tuple[Tensor, Tensor]] = []
        self.criterion = nn.Module()
        self.criterion.forward = self.compare

    def compare(self, first: Tensor, second: Tensor) -> Tensor:
        self.compared.append((first, second))
        return (first - second).sum()


def images_that_are_told_apart_by_their_intensity() -> Tensor:
    noise = np.random.default_rng(0).integers(0, 16, (8, 16, 16))
    return torch.from_numpy((noise + 20 * np.arange(8)[:, None, None]).astype(np.uint8))


def test_the_loss_is_the_criterion_of_the_projections_in_their_order():
    method = Difference(nn.Flatten(), SETTINGS, width=64, images=torch.zeros((8, 16, 16), dtype=torch.uint8))
    first, second = torch.full((4, 1, 8, 8), 3.0), torch.full((4, 1, 8, 8), 1.0)
    assert method.loss(first, second).item() == 4 * 64 * 2 * (3 - 1)


def test_a_step_compares_two_different_views_of_the_same_images():
    method = Difference(
        nn.Flatten(), SETTINGS, width=64, images=images_that_are_told_apart_by_their_intensity()
    )
    draw = method.draw_at(0)
    method.step_logs(draw)
    ((first, second),) = method.compared
    mean_intensities = [part[:, 0] / 2 / 64 * 255 for part in (first, second)]
    for found in mean_intensities:
        assert ((found - 7.5) / 20).round().tolist() == draw.positions.tolist()
    assert not torch.equal(*mean_intensities)
