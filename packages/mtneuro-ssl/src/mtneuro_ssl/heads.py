"""Projectors and predictors."""

from lightly.models.modules.heads import ProjectionHead
from torch import nn


def perceptron(inputs: int, *, hidden: int, outputs: int) -> nn.Module:
    """Return the head of BYOL and MYOW as the paper's code builds it.

    Linear with bias, BatchNorm, ReLU, linear without bias. lightly's own ``BYOLProjectionHead`` has the
    biases the other way round, so its general block is used.

    Examples
    --------
    >>> [type(layer).__name__ for layer in perceptron(4, hidden=8, outputs=2).layers]
    ['Linear', 'BatchNorm1d', 'ReLU', 'Linear']
    """
    return ProjectionHead(
        [
            (inputs, hidden, nn.BatchNorm1d(hidden), nn.ReLU(inplace=True), True),
            (hidden, outputs, None, None, False),
        ]
    )
