"""The base of methods that compare the projections of two views."""

from torch import Tensor, nn

from mtneuro_ssl.methods.base import Draw, Method


class Pairwise(Method):
    """A method whose loss compares two views of each image.

    A subclass builds a projector and a criterion of two batches of projections, or has a `loss` of its own.
    The widths are the settings' ``hidden`` and ``projection``, so that methods are compared at one size; the
    methods' own papers have others.
    """

    projector: nn.Module
    criterion: nn.Module

    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return the loss of two views."""
        return {"loss": self.loss(draw.view(), draw.view())}

    def loss(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the criterion of the projections of two views."""
        return self.criterion(self.projector(self.encoder(first)), self.projector(self.encoder(second)))
