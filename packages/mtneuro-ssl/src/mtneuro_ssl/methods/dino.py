"""DINO: assign a view to the class that a slowly moving copy assigns another view to; classes are learnt.

Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021.
"""

import warnings

import torch
from lightly.loss.dino_loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad
from torch import Tensor, nn
from typing_extensions import override

from mtneuro_ssl.methods.byol import BYOL


class DINO(BYOL):
    """DINO with lightly's head and loss, on two views of one size; the teacher follows as BYOL's target does.

    The centre begins as the first batch's mean rather than at 0: from 0 it would take a few dozen steps to
    get there, and the loss would rise meanwhile. The head's output layer is not frozen in the first epoch,
    and the teacher's temperature does not change.
    """

    @override
    def build(self, width: int, classes: int) -> None:
        """Add the student's and the teacher's heads, and the loss with its moving centre."""
        self.followed: list[tuple[nn.Module, nn.Module]] = []
        self.target_encoder = self.slow_copy(self.encoder)
        self.projector, self.target_projector = self._head(width), self._head(width)
        self.target_projector.load_state_dict(self.projector.state_dict())
        deactivate_requires_grad(self.target_projector)
        self.followed.append((self.projector, self.target_projector))
        self.criterion = DINOLoss(output_dim=self.settings.prototypes)

    def _head(self, width: int) -> nn.Module:
        with warnings.catch_warnings():
            # lightly normalises the last layer in a way that torch is about to replace.
            warnings.filterwarnings("ignore", r".*weight_norm", FutureWarning)
            return DINOProjectionHead(
                width, self.settings.hidden, self.settings.projection, self.settings.prototypes
            )

    @override
    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the cross entropy of the student's classes of each view and the teacher's of the other."""
        student = [self.projector(self.encoder(view)) for view in (first, second)]
        with torch.no_grad():
            teacher = [self.target_projector(self.target_encoder(view)) for view in (first, second)]
        centre, mean = self.criterion.get_buffer("center"), torch.stack(teacher).mean((0, 1), keepdim=True)
        # Not an `if`, which would have to wait for the GPU.
        centre.copy_(torch.where(centre.any(), centre, mean))
        return self.criterion(teacher, student)
