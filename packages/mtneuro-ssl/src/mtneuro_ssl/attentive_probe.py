"""Attentive probes: a learnt query that looks over the places of a frozen encoder's feature map."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, Integer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mtneuro_ssl._shared.kinds import check_type
from mtneuro_ssl._shared.masked import check_unmasked
from mtneuro_ssl.model import Model
from mtneuro_ssl.pixel_heads import Standardised, batches, held_maps
from mtneuro_ssl.probe_settings import AttentiveProbeSettings
from mtneuro_ssl.types import Progress, Samples, Volume


class AttentivePooling(Standardised):
    """Queries that each average a map's places by how well they match, and a linear layer on the averages.

    Parameters
    ----------
    features
        Features of a place.
    classes
        Number of classes.
    queries
        Number of learnt queries.

    Notes
    -----
    This is cross-attention of the queries to the places, in which the projections of keys and values are
    merged into the queries and into the linear layer: with one learnt query per head, they add nothing.
    """

    def __init__(self, features: int, classes: int, *, queries: int) -> None:
        super().__init__(features)
        self.queries = nn.Parameter(torch.zeros(queries, features))
        self.classifier = nn.utils.skip_init(nn.Linear, queries * features, classes)

    def drawn(self, *, seed: int) -> "AttentivePooling":
        """Return it with weights drawn from a seed; at first each query averages almost evenly."""
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(self.queries, std=0.02, generator=generator)
        nn.init.normal_(self.classifier.get_parameter("weight"), std=0.01, generator=generator)
        nn.init.zeros_(self.classifier.get_parameter("bias"))
        return self

    def weights(self, tokens: Float32[Tensor, "n features places"]) -> Float32[Tensor, "n queries places"]:
        """Return the weight of each place in the average of each query."""
        scale = tokens.shape[1] ** -0.5
        return (scale * self.queries @ self.standard(tokens)).softmax(dim=2)

    def forward(self, tokens: Float32[Tensor, "n features places"]) -> Float32[Tensor, "n classes"]:
        """Return the scores of each class."""
        averages = self.weights(tokens) @ self.standard(tokens).mT
        return self.classifier(averages.flatten(1))


@dataclass(frozen=True, kw_only=True, eq=False)
class AttentiveProbe:
    """A frozen model, and the attentive pooling that was trained on its feature maps."""

    model: Model
    head: AttentivePooling
    losses: tuple[float, ...]
    """Loss of each step."""

    def predict(self, images: Samples | Volume, *, batch_size: int = 64) -> Int64[np.ndarray, " n"]:
        """Return the class of each image, or subvolume.

        Raises
        ------
        ValueError
            As `Model.embed` does.
        """
        found: list[Tensor] = []
        for maps in self.model.feature_maps(images, batch_size=batch_size):
            with torch.inference_mode():
                found.append(self.head(maps.flatten(2)).argmax(dim=1))
        return torch.cat(found).cpu().numpy()


@torch.enable_grad()
def fit_attentive_probe(
    model: Model,
    images: Samples | Volume,
    labels: Integer[np.ndarray, " n"],
    settings: AttentiveProbeSettings | None = None,
    *,
    classes: int | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> AttentiveProbe:
    """Return a classifier of images that is trained on a model's feature maps; the model stays as it is.

    Parameters
    ----------
    model
        A model with a network.
    images
        As for `Model.embed`.
    labels
        Class of each image, counted from 0.
    settings
        How it is trained.
    classes
        Number of classes; by default the highest label and one.
    batch_size
        Images at a time that are turned into feature maps, all of which are then held in memory.
    progress
        Called with the amount of work done and the whole amount: images, then steps.

    Raises
    ------
    TypeError
        If the model or the settings are something else.
    ValueError
        If the model has no feature maps, or the labels do not fit.

    Notes
    -----
    Attentive probing is by X. Chen et al., "Context autoencoder for self-supervised representation learning",
    IJCV 132 (2024): a frozen encoder's tokens are pooled by one cross-attention with a learnt query.
    """
    check_type(model, Model, "model", mend=", as load_model(folder) returns it")
    settings = settings or AttentiveProbeSettings()
    check_type(settings, AttentiveProbeSettings, "settings")
    check_unmasked(labels, "labels")
    count = images.shape[0]
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise ValueError(
            f"labels must be integers of shape ({count},), one per image, counted from 0, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    highest = int(labels.max())
    classes = highest + 1 if classes is None else classes
    if not highest < classes:
        raise ValueError(f"labels must be below classes={classes}, got {highest}")
    maps = held_maps(model.feature_maps(images, batch_size=batch_size, progress=progress), count=count)
    tokens = maps.flatten(2)
    head = AttentivePooling(tokens.shape[1], classes, queries=settings.queries).drawn(seed=settings.seed)
    head.measure(tokens)
    truth = torch.from_numpy(labels.astype(np.int64)).to(tokens.device)
    optimiser = torch.optim.AdamW(
        head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    losses: list[float] = []
    chosen = batches(count, size=settings.batch_size, seed=settings.seed)
    for step in range(settings.steps):
        places = torch.from_numpy(next(chosen)).to(tokens.device)
        loss = cross_entropy(head(tokens[places]), truth[places])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if progress is not None:
            progress(step + 1, settings.steps)
    return AttentiveProbe(model=model, head=head.eval(), losses=tuple(losses))
