"""Measure how fast mtneuro-ssl trains and fits, and check its floors.

    python benchmarks/speed/speed_ssl.py --quick

A step of BYOL, MYOW and MYOW-m beside the same step in plain PyTorch, in single precision, in bf16 and
compiled, and a step of each on subvolumes; a step of MAE beside plain PyTorch; a whole run beside its bare
steps; views beside a data loader's; PCA beside a full decomposition; NMF's time and error; labels of a volume
by a probe of pixels beside the encoder alone; embedding by a network of timm beside its bare forward pass,
and its trial. On a GPU, whole runs of the paper's size beside their arithmetic floor, what Table 1 would
take, and how long the GPU waits between steps. What bf16 does to accuracy is `ssl_study.py precision`.
"""

import copy
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from command import Unavailable, main
from measuring import Figure, compared, ratio, seconds_in_turns
from mtneuro_ssl import (
    Model,
    PixelProbe,
    PixelProbeSettings,
    TrainSettings,
    corner_crops,
    embed,
    fit_pixel_probe,
    new_method,
    segment_volume,
    train,
    tried_settings,
    untrained,
)
from torch import Tensor
from torch.nn.functional import normalize
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import ResNet

Device = Literal["cpu", "cuda"]

PASSES = {"byol": (2, 2), "myow": (3, 3), "myow-m": (4, 5)}
"""Passes of the online and of the target encoder that a step needs.

MYOW-m's mined term goes both ways: the third view predicts the mined sample's target and the mined sample the
third view's, so either is passed through both encoders, and the target's sees the pool too. The original code
takes 5 and 5.
"""

GPU_FLOORS = {"supervised": 8.1, "supervised+mixup": 8.1, "byol": 5.4, "myow": 8.1, "myow-m": 11.475}
"""Seconds of an H200's bf16 arithmetic that a run of the paper's size takes at least.

The protocol's 5.4 for BYOL are 8 forward passes of crops a step: forward and back is 3, of two views, and
forward is 1, of two. MYOW needs 12, MYOW-m 17, and supervised training 3 of an image, which is four crops.
"""


class Crops(Dataset[tuple[Tensor, ...]]):
    """The data path that anybody would write: each item reads an image and cuts its views."""

    def __init__(self, images: np.ndarray, views: int) -> None:
        self.images, self.views, self.crop = images, views, images.shape[-1] // 2
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        """Return random crops of an image, as the encoder takes them."""
        found: list[Tensor] = []
        for _ in range(self.views):
            top, left = self.rng.integers(0, self.images.shape[-1] - self.crop + 1, 2)
            crop = self.images[index, ..., top : top + self.crop, left : left + self.crop]
            found.append((torch.from_numpy(crop).float() / 255 - 0.4894)[None] / 0.1238)
        return tuple(found)


class PlainStep:
    """One step in plain PyTorch: a loader, a pass for each view, and a loop that moves the target."""

    def __init__(self, method: Any, images: np.ndarray) -> None:
        self.method = copy.deepcopy(method).to(memory_format=torch.contiguous_format)
        settings = method.settings
        self.merged = settings.method == "myow-m"
        self.mining = settings.method != "byol"
        options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": True, "drop_last": True}
        self.loader = forever(DataLoader(Crops(images, 3 if self.mining else 2), **options))
        self.pool = forever(DataLoader(Crops(images, 1), **options))
        trained = [parameter for parameter in self.method.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, weight_decay=5e-4, foreach=False)

    def __call__(self) -> None:
        """Take one step."""
        views = next(self.loader)
        pool = next(self.pool)[0] if self.mining else None
        self.optimizer.zero_grad()
        self.loss(views, pool).backward()
        self.optimizer.step()
        with torch.no_grad():
            for network, target in self.method.followed:
                for online, slow in zip(network.parameters(), target.parameters(), strict=True):
                    slow.copy_(0.996 * slow + 0.004 * online)

    def loss(self, views: tuple[Tensor, ...], pool: Tensor | None) -> Tensor:
        """Return the loss of the protocol's formulas, with a mined weight of 0.1."""
        m = self.method
        first, second = (m.predictor(m.projector(m.encoder(view))) for view in views[:2])
        with torch.no_grad():
            target_1, target_2 = (m.target_projector(m.target_encoder(view)) for view in views[:2])
        loss = distance(first, target_2) / 2 + distance(second, target_1) / 2
        if pool is None:
            return loss
        online = m.encoder(views[2])
        with torch.no_grad():
            features = m.target_encoder(pool)
            chosen = (normalize(online) @ normalize(features).T).argmax(1)
        if self.merged:
            ahead = m.predictor(m.projector(online))
            back = m.predictor(m.projector(m.encoder(pool[chosen])))
            with torch.no_grad():
                target = m.target_projector(m.target_encoder(pool[chosen]))
                target_back = m.target_projector(m.target_encoder(views[2]))
            mined = distance(ahead, target) / 2 + distance(back, target_back) / 2
        else:
            prediction = m.mined_predictor(m.mined_projector(m.projector(online)))
            with torch.no_grad():
                target = m.target_mined_projector(m.target_projector(features[chosen]))
            mined = distance(prediction, target)
        return (loss + 0.1 * mined) / 1.1


class PlainAutoencoder:
    """One step of MAE in plain PyTorch: a loader, attention by hand, and a decoder that predicts every patch.

    The encoder is given the visible patches alone, which have to be picked and put back, or (``masked``) all
    of them, with those that are hidden kept out of its attention, which gives the same tokens more simply.
    """

    def __init__(self, method: Any, images: np.ndarray, *, masked: bool = False) -> None:
        self.method = copy.deepcopy(method)
        settings = method.settings
        self.masked, self.heads = masked, (settings.vit.heads, settings.mae.decoder_heads)
        self.ratio, self.patch = settings.mae.mask_ratio, settings.vit.patch
        options: dict[str, Any] = {"batch_size": settings.batch_size, "shuffle": True, "drop_last": True}
        self.loader = forever(DataLoader(Crops(images, 1), **options))
        self.optimizer = torch.optim.AdamW(
            self.method.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05, foreach=False
        )
        side = images.shape[-1] // 2 // self.patch
        self.places = [
            torch.from_numpy(
                np.array([place_of(y, x, width) for y in range(side) for x in range(side)])
            ).float()
            for width in (settings.vit.width, settings.mae.decoder_width)
        ]

    def __call__(self) -> None:
        """Take one step."""
        (view,) = next(self.loader)
        order = torch.stack([torch.randperm(len(self.places[0])) for _ in view])
        hidden = round(self.ratio * order.shape[1])
        self.optimizer.zero_grad()
        self.loss(view, order[:, hidden:], order[:, :hidden]).backward()
        self.optimizer.step()

    def loss(self, view: Tensor, visible: Tensor, hidden: Tensor) -> Tensor:
        """Return the mean squared error of the hidden patches, each normalised by itself."""
        encoder, decoder = self.method.encoder, self.method.decoder
        patches = torch.nn.functional.unfold(view, self.patch, stride=self.patch).transpose(1, 2)
        tokens, rows = encoder.embed(patches) + self.places[0], torch.arange(len(view))[:, None]
        seen = torch.zeros(patches.shape[:2], dtype=torch.bool)
        seen[rows, visible] = True
        if not self.masked:
            tokens = tokens[rows, visible]
        for block in encoder.blocks:
            tokens = through(block, tokens, self.heads[0], seen if self.masked else None)
        tokens = decoder.embed(encoder.project(encoder.norm(tokens)))
        if self.masked:
            both = torch.where(seen[..., None], tokens, decoder.unknown)
        else:
            both = decoder.unknown.repeat(*patches.shape[:2], 1)
            both[rows, visible] = tokens
        both = both + self.places[1]
        for block in decoder.blocks:
            both = through(block, both, self.heads[1], None)
        found = decoder.pixels(decoder.norm(both))
        spread = (patches.var(-1, correction=0, keepdim=True) + 1e-6).sqrt()
        errors = (found - (patches - patches.mean(-1, keepdim=True)) / spread).square().mean(-1)
        return (errors * ~seen).sum() / hidden.numel()


def place_of(y: int, x: int, width: int) -> list[float]:
    """Return the sines and cosines of a patch's row, then of its column."""
    rates = [10_000 ** (-4 * k / width) for k in range(width // 4)]
    return [float(wave(p * rate)) for p in (y, x) for wave in (np.sin, np.cos) for rate in rates]


def through(block: Any, tokens: Tensor, heads: int, seen: Tensor | None) -> Tensor:
    """Return what a transformer's block makes of tokens; those that are not seen get no attention."""
    n, count, width = tokens.shape
    qkv = block.attn.qkv(block.norm1(tokens)).reshape(n, count, 3, heads, width // heads)
    queries, keys, values = (part.transpose(1, 2) for part in qkv.unbind(2))
    weights = queries @ keys.transpose(-2, -1) / (width // heads) ** 0.5
    if seen is not None:
        weights = weights.masked_fill(~seen[:, None, None], -torch.inf)
    mixed = (weights.softmax(-1) @ values).transpose(1, 2).reshape(n, count, width)
    tokens = tokens + block.attn.proj(mixed)
    return tokens + block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(block.norm2(tokens))))


class OurStep:
    """One step as `train` takes it, without Lightning around it."""

    def __init__(self, method: Any, *, bf16: bool = False, compiled: bool = False) -> None:
        self.method = copy.deepcopy(method)
        if compiled:
            self.method.encoder.compile()
            self.method.target_encoder.compile()
        self.optimizer = self.method.configure_optimizers()["optimizer"]
        self.bf16 = bf16
        self.step = 0

    def __call__(self) -> None:
        """Take one step."""
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            loss = self.method.step_logs(self.method.draw_at(self.step))["loss"]
        loss.backward()
        self.optimizer.step()
        self.method.after_step(self.step)
        self.step += 1


def distance(prediction: Tensor, target: Tensor) -> Tensor:
    """Return 2 - 2 cos, averaged over samples."""
    return (2 - 2 * (normalize(prediction) * normalize(target)).sum(1)).mean()


def forever(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield batches, epoch after epoch."""
    while True:
        yield from loader


def method_of(name: str, *, batch: int, deep: bool = False) -> tuple[Any, np.ndarray]:
    """Return a method before its first step, and its images, of which it sees crops of 64 pixels.

    Subvolumes have 8 slices, and their crops 32 pixels.
    """
    images = tissue(4 * batch * 8, 64).reshape(-1, 8, 64, 64) if deep else tissue(4 * batch, 128)
    settings = TrainSettings(
        method=name, batch_size=batch, steps=1000, device="cpu", exclude_self=False, mined_rampup_fraction=0
    )
    return new_method(images, settings), images


def step(name: str, *, quick: bool, deep: bool = False) -> Iterator[Figure]:
    """Yield a step's passes, its speed over the plain one's, whose losses must agree, and of peak."""
    small, few = method_of(name, batch=6, deep=deep)
    told = f"{name} of subvolumes" if deep else name
    for network, counted, needed in zip(("online", "target"), passes_of(small), PASSES[name], strict=True):
        yield Figure(
            name=f"{told}: passes of the {network} encoder a step",
            value=counted, at_least=needed, at_most=needed,
        )  # fmt: skip
    check_losses(small, few)
    method, images = (small, few) if quick else method_of(name, batch=16 if deep else 32, deep=deep)
    ours, plain = OurStep(method), PlainStep(method, images)
    for warm in (ours, plain):
        warm()
    # In 3D, 33 million weights are laid out anew in each pass, which a small batch does not repay. In 2D,
    # what both do once a step, whatever its batch (the optimiser's and the slow copy's updates), weighs five
    # times as much in quick's 6 images as in 32: less is left of the 1.1 that is saved in the passes.
    floor = (None if deep else 1.05) if quick else 1.1
    matrix = torch.ones(1024, 1024)
    taken = seconds_in_turns(plain, ours, lambda: torch.mm(matrix, matrix), rounds=3)
    yield ratio(f"{told}: step, fp32, plain / ours", taken[0], taken[1], at_least=floor)
    with FlopCounterMode(display=False) as counter:
        ours()
    # No machine changes it: what of the operations that a matrix product does in this time a step does.
    share = counter.get_total_flops() / (2 * 1024**3)
    found = [share * product / step for step, product in zip(taken[1], taken[2], strict=True)]
    yield Figure.of(f"{told}: step, fp32, of peak (the rate of a matrix product)", found)


def byol(*, quick: bool) -> Iterator[Figure]:
    """Yield a step of BYOL beside plain PyTorch."""
    yield from step("byol", quick=quick)


def myow(*, quick: bool) -> Iterator[Figure]:
    """Yield a step of MYOW beside plain PyTorch."""
    yield from step("myow", quick=quick)


def myow_m(*, quick: bool) -> Iterator[Figure]:
    """Yield a step of MYOW-m beside plain PyTorch."""
    yield from step("myow-m", quick=quick)


def subvolumes(*, quick: bool) -> Iterator[Figure]:
    """Yield a step on subvolumes, by the encoder in three dimensions, beside plain PyTorch."""
    for name in ("byol",) if quick else PASSES:
        yield from step(name, quick=quick, deep=True)


def mae(*, quick: bool) -> Iterator[Figure]:
    """Yield a step of MAE beside plain PyTorch, whose losses must agree."""
    images = tissue(64 if quick else 128, 128)
    settings = TrainSettings(
        method="mae", batch_size=16 if quick else 64, steps=1000, device="cpu", normalisation="given"
    )
    method = new_method(images, settings)
    check_autoencoders(method, images)
    ours, plain = OurStep(method), PlainAutoencoder(method, images, masked=True)
    shown = PlainAutoencoder(method, images)
    for warm in (ours, plain, shown):
        warm()
    yield compared("mae: step, fp32, plain / ours", plain, ours, rounds=3, at_least=1.1)
    # Nearly the arithmetic of ours, which is most of a step's time: no floor.
    yield compared("mae: step, fp32, plain with visible tokens alone / ours", shown, ours, rounds=5)


def check_autoencoders(method: Any, images: np.ndarray) -> None:
    """Refuse to go on unless all three find the same loss, with the same patches hidden."""
    (view,) = next(PlainAutoencoder(method, images).loader)
    order = torch.stack([torch.randperm(64) for _ in view])
    visible, hidden = order[:, 48:], order[:, :48]
    found = copy.deepcopy(method).loss(view, visible, hidden).item()
    for masked in (False, True):
        wanted = PlainAutoencoder(method, images, masked=masked).loss(view, visible, hidden).item()
        if abs(found - wanted) > 1e-4:
            raise ValueError(f"the losses must agree, got {found} and {wanted}")


def bf16(*, quick: bool) -> Iterator[Figure]:
    """Yield the same steps in bf16 beside plain PyTorch in fp32; the floor is for a CPU with AMX."""
    has_amx = "amx_bf16" in cpu_flags()
    for name in PASSES if has_amx and not quick else ("byol",):
        method, images = method_of(name, batch=6 if quick else 32)
        ours, plain = OurStep(method, bf16=True), PlainStep(method, images)
        for warm in (ours, plain):
            warm()
        yield compared(
            f"{name}: step, fp32 plain / bf16 ours{'' if has_amx else ' (no AMX here)'}", plain, ours,
            rounds=3, at_least=3.3 if has_amx else None,
        )  # fmt: skip


def compiled(*, quick: bool) -> Iterator[Figure]:
    """Yield what compiling the encoders adds to a step of BYOL; the floor is for bf16 on a CPU with AMX.

    The floor is a further 1.1 over bf16's, which is AMX's: there the convolutions are so quick that what
    compiling fuses, the norms and activations between them, is a tenth of the step. Elsewhere it is less.
    """
    if quick:
        raise Unavailable("compiling takes most of a minute: not with --quick")
    if not any(map(shutil.which, ("g++", "clang++", "cl"))):
        raise Unavailable("compiling needs a C++ compiler, and there is none")
    has_amx = "amx_bf16" in cpu_flags()
    for precision, half in (("fp32", False), ("bf16", True)):
        method, _ = method_of("byol", batch=16)
        eager, fused = (OurStep(method, bf16=half, compiled=compiled) for compiled in (False, True))
        for _ in range(2):
            eager()
            fused()
        aside = " (no AMX here)" if half and not has_amx else ""
        yield compared(
            f"byol: step, {precision}, ours / compiled{aside}", eager, fused,
            rounds=3, at_least=1.1 if has_amx and half else None,
        )  # fmt: skip


def epochs(*, quick: bool) -> Iterator[Figure]:
    """Yield the time of a run with its data and records over that of its bare steps on ready views."""
    batch, side, count = (8, 64, 8) if quick else (8, 128, 8)
    images = tissue(4 * batch, side)
    settings = TrainSettings(
        method="byol", batch_size=batch, steps=count, device="cpu", checkpoint_every=1e9, monitor_every=10**9
    )
    method = new_method(images, settings)
    views = [(draw.view(), draw.view()) for draw in map(method.draw_at, range(count))]

    def bare() -> float:
        stepping = OurStep(method)
        marks: list[float] = []
        for place, (first, second) in enumerate(views):
            stepping.optimizer.zero_grad()
            stepping.method.loss(first, second).backward()
            stepping.optimizer.step()
            stepping.method.after_step(place)
            marks.append(time.process_time())
        return marks[-2] - marks[0]

    def run() -> float:
        marks: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            train(
                images, settings, out=Path(folder) / "m",
                progress=lambda *_: marks.append(time.process_time()),
            )  # fmt: skip
        # From the end of the first step to that of the last but one: the last also writes the checkpoint.
        return marks[-2] - marks[0]

    # Each leaves out its first step, which warms.
    ratios = [run() / bare() for _ in range(3)]
    yield Figure.of("byol: whole run with its data / bare steps", ratios, at_most=1.05)


def feeding(*, quick: bool) -> Iterator[Figure]:
    """Yield how much slower a data loader makes the views of a batch."""
    method, images = method_of("byol", batch=32)
    loader = forever(DataLoader(Crops(images, 2), batch_size=32, shuffle=True, drop_last=True))
    step = iter(range(10**9))

    def ours() -> None:
        draw = method.draw_at(next(step))
        for _ in range(2):
            draw.view()

    def plain() -> None:
        next(loader)

    for warm in (ours, plain):
        warm()
    yield compared("two views of a batch of 32, data loader / ours", plain, ours, rounds=10 if quick else 50)


def pca(*, quick: bool) -> Iterator[Figure]:
    """Yield our PCA's speed over a full decomposition's, after a check of equal error."""
    images, count = tissue(180 if quick else 360, 128), 256
    rows = rows_of(images)

    def ours() -> np.ndarray:
        settings = TrainSettings(method="pca", components=count)
        return components_of(fitted(images, settings))

    def full() -> np.ndarray:
        return np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)[2][:count]

    centred = rows - rows.mean(axis=0, dtype=np.float64)
    errors = [np.linalg.norm(centred - centred @ found.T @ found) for found in (ours(), full())]
    if abs(errors[0] / errors[1] - 1) > 1e-5:
        raise ValueError(f"the errors must be equal, got {errors}")
    # Quick's 256 are more than a third of its 720 rows: there is less that need not be decomposed.
    yield compared(
        f"pca: {count} of {rows.shape[1]}, {len(rows)} images, full SVD / ours", full, ours,
        rounds=2 if quick else 4, at_least=1.8 if quick else 3,
    )  # fmt: skip


def nmf(*, quick: bool) -> Iterator[Figure]:
    """Yield NMF's time and relative error after so many iterations."""
    images, components = (tissue(16, 64), 32) if quick else (tissue(90, 128), 256)
    rows = rows_of(images)
    fitted(images[:2], TrainSettings(method="nmf", components=2, nmf_iterations=1))
    for limit in (10, 50) if quick else (25, 50, 100, 200):
        settings = TrainSettings(method="nmf", components=components, nmf_iterations=limit)
        start = time.process_time()
        model = fitted(images, settings)
        seconds = time.process_time() - start
        found = embed(model, crops_of(images)) @ components_of(model)
        error = float(np.linalg.norm(found - rows) / np.linalg.norm(rows))
        yield Figure(name=f"nmf: {components} parts, {limit} iterations", value=seconds, unit="s")
        yield Figure(name=f"nmf: {components} parts, {limit} iterations, relative error", value=error)


def pixels(*, quick: bool) -> Iterator[Figure]:
    """Yield the time of labelling a volume with a probe over that of the encoder alone on its windows."""
    side, batch = 128 if quick else 256, 2
    volume = tissue(batch, 2 * side)
    masks = (volume[:, :side, :side] > 125).astype(np.uint8)
    for name in ("resnet18", "timm/vit_small_patch16_224"):
        model = untrained(TrainSettings(encoder=name, latent_dim=None, device="cpu"))
        windows = volume.reshape(batch, 2, side, 2, side).swapaxes(2, 3).reshape(-1, side, side)
        parts = [windows[place : place + batch] for place in range(0, len(windows), batch)]

        def bare(model: Model = model, parts: Sequence[np.ndarray] = parts) -> None:
            for part in parts:
                model.embed(part)

        for head in ("linear", "convolutional"):
            settings = PixelProbeSettings(head=head, steps=2, max_iter=2)
            probe = fit_pixel_probe(model, windows[:2], masks[:2], settings)
            with tempfile.TemporaryDirectory() as folder:

                def labelled(probe: PixelProbe = probe, out: Path = Path(folder) / "labels.zarr") -> None:
                    segment_volume(probe, volume, out=out, batch_size=batch, replace=True)

                labelled()
                bare()
                yield compared(
                    f"{name}: labels of a volume by a {head} probe / embeddings of its windows",
                    labelled, bare, rounds=3, at_most=1.2,
                )  # fmt: skip


def foreign(*, quick: bool) -> Iterator[Figure]:
    """Yield embedding by an adapted ViT-S over its bare forward pass, and the seconds of its trial."""
    images = tissue(16 if quick else 64, 64)
    for name, size in (("vit_small_patch16_224", 64), ("vit_small_patch14_dinov2", 70)):
        asked = TrainSettings(
            method="untrained", encoder=f"timm/{name}", latent_dim=None, normalisation="given", device="cpu"
        )
        tried = partial(tried_settings, asked, sizes=[(32, 32), (64, 64)])
        model = untrained(tried())
        network: Any = model.encoder
        network = getattr(network, "network", network)
        border = (size - images.shape[1],) * 2
        whole = np.pad(images, ((0, 0), (0, border[0]), (0, border[1])), mode="reflect")
        given = torch.from_numpy(whole)[:, None].float().div(255).sub(asked.mean).div(asked.sd)

        def ours(model: Model = model) -> np.ndarray:
            return embed(model, images)

        def bare(network: Any = network, given: Tensor = given) -> np.ndarray:
            with torch.inference_mode():
                return network(given).numpy()

        np.testing.assert_allclose(ours(), bare(), atol=1e-4)
        rounds = 5 if quick else 20
        yield compared(f"{name}: embedding / bare forward", ours, bare, rounds=rounds, at_most=1.05)
        seconds: list[float] = []
        for _ in range(3 if quick else 7):
            start = time.process_time()
            tried()
            seconds.append(time.process_time() - start)
        yield Figure.of(f"{name}: trial at 32 and 64 pixels", seconds, unit="s", at_most=1)


def crops_of(images: np.ndarray) -> np.ndarray:
    """Return the corners of images, which the methods without networks learn from."""
    return corner_crops(images).reshape(-1, images.shape[1] // 2, images.shape[2] // 2)


def rows_of(images: np.ndarray) -> np.ndarray:
    """Return the pixels of the corners of images, a row each."""
    return crops_of(images).reshape(4 * len(images), -1).astype(np.float32) / 255


def fitted(images: np.ndarray, settings: TrainSettings) -> Model:
    """Return a model in a folder that is soon gone."""
    with tempfile.TemporaryDirectory() as folder:
        return train(images, settings, out=Path(folder) / "m")


def components_of(model: Model) -> np.ndarray:
    """Return the components of a model, a row each."""
    return model.tensors()["components"].numpy().reshape(model.dim, -1)


def gpu(*, quick: bool) -> Iterator[Figure]:
    """Yield whole runs of the paper's size on a GPU over their arithmetic floor, and Table 1 extrapolated."""
    device = cuda_device()
    yield from paper_runs(tissue(1200, 128), device=device, epochs=2 if quick else 100, batch=256)


def gpu_waiting(*, quick: bool) -> Iterator[Figure]:
    """Yield the part of a step for which a GPU waits for the host between two steps."""
    device, images = cuda_device(), tissue(1200, 128)
    for name in PASSES:
        waits = waiting(name, images, device=device, batch=256, steps=20 if quick else 60)
        yield Figure.of(f"{name}: between steps / step", waits, at_most=0.03)


def cuda_device() -> Device:
    """Return the name of the GPU, as settings take it."""
    if not torch.cuda.is_available():
        raise Unavailable("no CUDA device")
    return "cuda"


def paper_runs(images: np.ndarray, *, device: Device, epochs: int, batch: int) -> Iterator[Figure]:
    """Yield the seconds of a run of each method, eager and compiled, and what follows from the faster.

    A run of two steps goes before each, which fills the caches of the libraries and of the compiler.
    """
    labels = np.arange(len(images)) % 4
    common: dict[str, Any] = {"batch_size": batch, "device": device, "precision": "bf16-mixed"}
    fastest: dict[str, float] = {}
    for name, floor in GPU_FLOORS.items():
        took: list[float] = []
        for compiled in (False, True):
            settings = TrainSettings(method=name, epochs=epochs, compile=compiled, **common)
            run_seconds(images, TrainSettings(method=name, steps=2, compile=compiled, **common), labels)
            took.append(run_seconds(images, settings, labels))
            way = "compiled" if compiled else "eager"
            yield Figure(
                name=f"{name}: {epochs} epochs of {len(images)} images, bf16, {way}", value=took[-1], unit="s"
            )
        fastest[name] = min(took)
        if epochs == 100:
            yield Figure(name=f"{name}: run / its arithmetic floor", value=fastest[name] / floor, at_most=4)
    if epochs == 100:
        yield from table_1(fastest)


def run_seconds(images: np.ndarray, settings: TrainSettings, labels: np.ndarray) -> float:
    """Return the seconds of a whole run, with its files."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        train(images, settings, out=Path(folder) / "m", labels=labels)
        return time.perf_counter() - start


def table_1(seconds: dict[str, float]) -> Iterator[Figure]:
    """Yield the minutes of Table 1's trained models, from the seconds of a run of 1200 images of each.

    The larger training set has 2640 images, which is 10 steps an epoch where the smaller has 4; both are
    trained with five seeds. Mixup's row is the best of five probabilities.
    """
    sets, seeds, probabilities = 1 + 10 / 4, 5, 5
    rows = sum(seconds.values()) * sets * seeds / 60
    more = seconds["supervised+mixup"] * (probabilities - 1) * sets * seeds / 60
    yield Figure(name="Table 1, extrapolated", value=rows, unit="min", at_most=75)
    yield Figure(name="Table 1 and mixup's other probabilities, extrapolated", value=rows + more, unit="min")


def waiting(name: str, images: np.ndarray, *, device: Device, batch: int, steps: int) -> list[float]:
    """Return the part of each step between the end of the one before and its own first pass.

    Moments are the device's own: events among its work, so a host that is ahead costs nothing. The first
    quarter of the steps warms, and the last step also writes the checkpoint.
    """
    marks: list[tuple[str, Any]] = []

    def mark(what: str) -> None:
        if device == "cuda":
            moment = torch.cuda.Event(enable_timing=True)
            moment.record()
        else:
            moment = time.perf_counter()
        marks.append((what, moment))

    def passing(module: torch.nn.Module, _: object) -> None:
        if module.training and isinstance(module, ResNet):
            mark("pass")

    settings = TrainSettings(
        method=name, batch_size=batch, steps=steps, device=device, precision="bf16-mixed",
        checkpoint_every=1e9, monitor_every=10**9,
    )  # fmt: skip
    hook = register_module_forward_pre_hook(passing)
    try:
        with tempfile.TemporaryDirectory() as folder:
            train(images, settings, out=Path(folder) / "m", progress=lambda *_: mark("end"))
    finally:
        hook.remove()
    between = shares(marks, seconds_between)
    return between[len(between) // 4 : -1]


def shares(marks: Sequence[tuple[str, Any]], apart: Callable[[Any, Any], float]) -> list[float]:
    """Return, of each step after the first, the part before its first pass."""
    ends = [place for place, (what, _) in enumerate(marks) if what == "end"]
    return [
        apart(marks[end][1], marks[end + 1][1]) / apart(marks[end][1], marks[following][1])
        for end, following in pairwise(ends)
    ]


def seconds_between(first: Any, second: Any) -> float:
    """Return the time between two moments: of the processor's clock, or of events on a GPU."""
    if isinstance(first, float):
        return second - first
    second.synchronize()
    return first.elapsed_time(second) / 1000


def check_losses(method: Any, images: np.ndarray) -> None:
    """Refuse to go on unless both implementations find the same loss in the same views."""
    ours, plain = copy.deepcopy(method), PlainStep(method, images)
    draw = ours.draw_at(0)
    views, pool = (draw.view(), draw.view()), None
    found = ours.loss(*views)
    if plain.mining:
        candidates = ours.candidates(draw)
        views, pool = (*views, candidates.view), candidates.pool
        found = (found + 0.1 * ours.mined_loss(candidates)[0]) / 1.1
    wanted = plain.loss(views, pool)
    if abs(found.item() - wanted.item()) > 1e-4:
        raise ValueError(f"the losses must agree, got {found.item()} and {wanted.item()}")


def passes_of(method: Any) -> tuple[int, int]:
    """Return how often a step passes images through the online and through the target encoder."""
    watched = copy.deepcopy(method)
    counts = [0, 0]

    def counter(place: int) -> Callable[..., None]:
        def count(*_: object) -> None:
            counts[place] += 1

        return count

    watched.encoder.register_forward_hook(counter(0))
    watched.target_encoder.register_forward_hook(counter(1))
    watched.step_logs(watched.draw_at(0))
    return counts[0], counts[1]


def cpu_flags() -> set[str]:
    """Return what this machine's processor can do, as Linux names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    return set(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def tissue(count: int, side: int) -> np.ndarray:
    """Return smooth random images."""
    rng = np.random.default_rng(0)
    rough = torch.from_numpy(rng.normal(size=(count, 1, side // 4, side // 4)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(rough, size=(side, side), mode="bicubic")[:, 0].numpy()
    return np.clip(125 + 32 * smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)


PARTS = (
    byol, myow, myow_m, subvolumes, mae, bf16, compiled, epochs, feeding, pca, nmf, pixels, foreign, gpu,
    gpu_waiting,
)  # fmt: skip

if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main("ssl", PARTS, about=__doc__))
