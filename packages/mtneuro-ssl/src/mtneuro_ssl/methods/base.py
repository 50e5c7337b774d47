"""The base class of all trained methods: a step's batch and views, the optimiser and its schedule."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float32, Int64, Real
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR
from typing_extensions import override

from mtneuro_ssl.points import point_views
from mtneuro_ssl.processes import process_share
from mtneuro_ssl.schedules import learning_rate_factor
from mtneuro_ssl.settings import TrainSettings
from mtneuro_ssl.stream import StreamedImages, located
from mtneuro_ssl.views import (
    batch_positions,
    crop_size,
    generator_at,
    normalised,
    random_crops,
    varied_views,
    vector_views,
)

Samples = Real[Tensor, "n y x"] | Real[Tensor, "n z y x"] | Float32[Tensor, "n features"]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One step's batch. Everything that it draws depends on the seed and the step alone.

    Random numbers are drawn on the CPU and copied to the device without waiting for it, so that a step is
    prepared while the one before is computed.
    """

    images: Samples | StreamedImages
    device: torch.device
    labels: Int64[Tensor, " n"] | None
    nearby: Int64[Tensor, "n slices"] | None
    positions: Int64[Tensor, " batch"]
    step: int
    generator: torch.Generator
    settings: TrainSettings
    share: tuple[int, int] = (0, 1)
    """Rank of this process, and the number of processes that share a batch."""

    def own(self, rows: Tensor) -> Tensor:
        """Return this process's rows of an array that has a row for each sample of the batch.

        All processes draw the same for the whole batch and then take their part, so that together they see
        what one process would.
        """
        rank, count = self.share
        return rows if count == 1 else rows.chunk(count)[rank]

    def view(self, positions: Int64[Tensor, " batch"] | None = None) -> Float32[Tensor, "batch *size"]:
        """Return a fresh random view of this process's part of the batch, or of other samples."""
        chosen = self.positions if positions is None else positions
        if self.nearby is not None:
            column = torch.randint(self.nearby.shape[1], chosen.shape, generator=self.generator)
            chosen = self.nearby[chosen, column]
        held, places = located(self.images, chosen, device=self.device)
        if held.ndim == 2:
            samples = held[places]
        else:
            size = crop_size(tuple(held.shape[1:]), self.settings.views)
            samples = random_crops(
                held,
                places,
                size=size,
                generator=self.generator,
                one_offset=self.settings.views.one_offset,
            )
        made = self._for_encoder(samples)
        return self.own(made) if positions is None else made

    def whole(self) -> Float32[Tensor, "batch *size"]:
        """Return the images of all processes' batch, varied as the settings say but not cropped."""
        held, places = located(self.images, self.positions, device=self.device)
        return self._for_encoder(held[places])

    def batch_labels(self) -> Int64[Tensor, " batch"]:
        """Return the labels of all processes' batch.

        Raises
        ------
        ValueError
            If the images have none.
        """
        if self.labels is None:
            raise ValueError(f"method {self.settings.method!r} needs labels, got none")
        return self.labels[self.positions.to(self.labels.device, non_blocking=True)]

    def _for_encoder(self, samples: Samples) -> Float32[Tensor, "batch *size"]:
        """Return images, subvolumes or vectors varied as the settings say, as the encoder takes them."""
        if samples.ndim == 2:
            varied_samples = point_views if self.settings.of_points else vector_views
            return varied_samples(samples, self.settings.views, generator=self.generator)
        varied = varied_views(samples, self.settings.views, generator=self.generator)
        return normalised(varied, mean=self.settings.mean, sd=self.settings.sd)


class Method(LightningModule, ABC):
    """A way to train an encoder: its networks, and the loss of one step.

    A subclass builds its heads in `build` and returns in `step_logs` what one step minimises. Lightning's
    ``Trainer`` does the rest; its loader counts steps only, and a step draws its own images.

    Attributes
    ----------
    encoder
        The network whose embeddings are wanted.
    """

    images: Tensor | StreamedImages
    labels: Tensor | None

    def __init__(
        self,
        encoder: nn.Module,
        settings: TrainSettings,
        *,
        width: int,
        classes: int = 0,
        images: Samples | StreamedImages,
        labels: Int64[Tensor, " n"] | None = None,
        nearby: Int64[Tensor, "n slices"] | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.settings = settings.resolved()
        self.nearby = nearby
        self.total_steps = settings.total_steps(len(images))
        # Not persistent: they move to the device with the module, and stay out of its checkpoints.
        if isinstance(images, StreamedImages):
            self.images = images
        else:
            self.register_buffer("images", images, persistent=False)
        self.register_buffer("labels", labels, persistent=False)
        self.build(width, classes)
        if not settings.train_encoder:
            self.encoder.requires_grad_(False)

    @abstractmethod
    def build(self, width: int, classes: int) -> None:
        """Add the networks that the method needs beside the encoder, which has ``width`` features."""

    @abstractmethod
    def step_logs(self, draw: Draw) -> dict[str, Tensor]:
        """Return ``"loss"``, which the step minimises, and other columns of the history."""

    def after_step(self, step: int) -> None:
        """Do what must follow the optimiser's step, such as moving a target network."""

    def positions_at(self, step: int) -> Int64[Tensor, " batch"]:
        """Return the positions of the batch of a step."""
        settings = self.settings
        return batch_positions(
            len(self.images),
            settings.batch_size,
            step=step,
            seed=settings.seed,
            partial=settings.partial_batches,
        )

    def heads(self) -> nn.ModuleDict:
        """Return the trained networks beside the encoder that the model folder keeps, by name."""
        return nn.ModuleDict()

    def start(self, heads: Mapping[str, Tensor]) -> None:
        """Take the weights of another run's heads, by their names in its folder."""
        own = self.heads()
        known = own.state_dict()
        own.load_state_dict(known | {name: tensor for name, tensor in heads.items() if name in known})

    def sample_positions(self, step: int) -> Int64[Tensor, " samples"]:
        """Return the positions of the samples of a step: its batch, and whatever else a method looks at."""
        return self.positions_at(step)

    def draw_at(self, step: int) -> Draw:
        """Return the batch of a step."""
        settings = self.settings
        if isinstance(self.images, StreamedImages):
            soon = [self.sample_positions(s) for s in range(step, min(step + 2, self.total_steps))]
            wanted = torch.cat(soon)
            self.images.expect(wanted if self.nearby is None else self.nearby[wanted].flatten())
        return Draw(
            images=self.images,
            device=self.device,
            labels=self.labels,
            nearby=self.nearby,
            positions=self.positions_at(step),
            step=step,
            generator=generator_at(settings.seed, "views", step=step),
            settings=settings,
            share=process_share(),
        )

    @override
    def training_step(self, batch: object, batch_idx: int) -> dict[str, Tensor]:
        """Return the logs of the step that Lightning has reached."""
        return self.step_logs(self.draw_at(self.global_step))

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser of every trained parameter, and its schedule by step."""
        optimizer = self._optimiser()
        # A lambda, since torch would pickle a bound method into every checkpoint.
        schedule = LambdaLR(optimizer, lambda step: self._rate_factor(step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _optimiser(self) -> Optimizer:
        settings = self.settings
        scale = settings.batch_size / 256 if settings.entry.family == "self-supervised" else 1.0
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        rate, decay = settings.learning_rate * scale, settings.weight_decay or 0.0
        groups: list[dict[str, Any]] = [{"params": trained, "weight_decay": decay}]
        if not settings.decay_biases:
            # Biases and the parameters of norms have one axis.
            groups = [
                {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay},
                {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
            ]
        momentum = settings.momentum or 0.0
        if settings.optimiser == "lars":
            from lightly.utils.lars import LARS

            return LARS(groups, lr=rate, momentum=momentum)
        # One kernel for all parameters. On a CPU the update takes next to no time anyway.
        fused = self.device.type == "cuda"
        if settings.optimiser == "sgd":
            return SGD(groups, lr=rate, momentum=momentum, fused=fused)
        kind = Adam if settings.optimiser == "adam" else AdamW
        return kind(groups, lr=rate, betas=settings.betas, fused=fused)

    def _rate_factor(self, step: int) -> float:
        settings, total = self.settings, self.total_steps
        return learning_rate_factor(
            step,
            total,
            warmup=round(settings.warmup_fraction * total),
            schedule=settings.schedule or "constant",
            power=settings.poly_power,
            drops=[round(fraction * total) for fraction in settings.step_fractions],
            gamma=settings.step_factor,
        )

    @override
    def optimizer_step(self, *args: object, **kwargs: object) -> None:
        """Let the optimiser update the weights, then do what the method does after a step."""
        step = self.global_step
        super().optimizer_step(*args, **kwargs)  # pyright: ignore[reportArgumentType]  # passed through
        self.after_step(step)
