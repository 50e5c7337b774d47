"""
Bring your encoder
==================

An encoder needs no place in this project. A function that returns a torch module, in any file, is enough to have its
embeddings read out beside those of others. This page writes such a file, sees what is asked of it, and measures it.
"""

# %%
# A file with a function
# ----------------------
#
# The function takes nothing and returns a module from images ``(n, 1, y, x)`` to embeddings ``(n, features)``, with its weights loaded.
# Ours is a bank of Gabor filters: edges of four orientations at three scales, and nothing learnt.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from mtneuro_data import builtin_task, load
from mtneuro_probe import confusion_figure, pixel_statistics, region_readout
from mtneuro_ssl import TrainSettings, embed, load_encoder, train, tried_settings

folder = Path(tempfile.mkdtemp())
file = folder / "gabor.py"
file.write_text('''
import torch
from torch import nn


class Gabor(nn.Module):
    """Energy of Gabor filters, its mean and its spread over an image."""

    def __init__(self):
        super().__init__()
        y, x = torch.meshgrid(*2 * [torch.arange(-7.0, 8)], indexing="ij")
        bank = []
        for wavelength in (3, 5, 8):
            for turn in range(4):
                angle = torch.tensor(turn * torch.pi / 4)
                along = x * angle.cos() + y * angle.sin()
                window = torch.exp(-(x**2 + y**2) / (0.7 * wavelength) ** 2)
                for phase in (0, torch.pi / 2):
                    wave = window * torch.cos(2 * torch.pi * along / wavelength + phase)
                    bank.append((wave - wave.mean()) / wave.norm())
        self.bank = nn.Parameter(torch.stack(bank)[:, None])

    def forward(self, images):
        even, odd = torch.nn.functional.conv2d(images, self.bank).unflatten(1, (-1, 2)).unbind(2)
        energy = (even**2 + odd**2).sqrt()
        return torch.cat([energy.mean((2, 3)), energy.std((2, 3))], dim=1)


def encoder():
    return Gabor()
''')

# %%
# It is tried before any work
# ---------------------------
#
# On a little noise, at each size that will be asked for: one tensor of finite features, as many for every size, an image's whatever
# others are in the batch, the same after its weights are saved and loaded. What is wrong is said in a line.

settings = TrainSettings(method="untrained", encoder=f"{file}:encoder", latent_dim=None)
tried_settings(settings, sizes=[(64, 64), (32, 32)])
(folder / "broken.py").write_text(file.read_text().replace("dim=1)", "dim=1) / 0"))
try:
    tried_settings(
        settings.model_copy(update={"encoder": f"{folder / 'broken.py'}:encoder"}), sizes=[(64, 64)]
    )
except ValueError as error:
    print(str(error).replace(str(folder), "…"))

# %%
# Its embeddings
# --------------
#
# ``untrained`` takes it as it is; any other method, such as ``byol``, would train it.

task = builtin_task("roi-c2").with_source("phantom").replaced(downsample=4, z_step=10)
learnt, tested = load(task, ("train", "val")), load(task, "test")
model = train(learnt.images, settings, out=folder / "gabor")
print(embed(model, learnt.images).shape)

# %%
# Which brain region is it?
# -------------------------
#
# A linear classifier on the frozen embeddings, fitted on some cubes of the volume and tested on others. Mean and spread of the
# pixels, as a floor, need no encoder.

found = {}
for name, vectors in {
    "Gabor": (embed(model, learnt.images), embed(model, tested.images)),
    "pixel statistics": (pixel_statistics(learnt.images), pixel_statistics(tested.images)),
}.items():
    found[name] = region_readout(
        vectors[0],
        learnt.region,
        vectors[1],
        tested.region,
        class_names=task.regions,
        test_sample_id=tested.sample_id,
    )
    print(f"{name:17} accuracy {found[name].accuracy:.2f}")

# %%
# Rows are the true regions, columns what was read off:

confusion_figure(found["Gabor"].confusion, task.regions, title="Gabor filters, on cubes that were not seen")

# %%
# The filters of one phase, as the encoder holds them:

bank = load_encoder(folder / "gabor", trusted=[f"{file}:encoder"]).bank.detach().numpy()[::2, 0]
fig, axes = plt.subplots(3, 4, figsize=(5, 3.8), layout="constrained")
for axis, kernel in zip(axes.ravel(), bank, strict=True):
    axis.imshow(kernel, cmap="gray")
    axis.set(xticks=[], yticks=[])

# %%
# Its row in the benchmark
# ------------------------
#
# In a checkout, one command runs all three tasks for this encoder, beside those that are done, with the seeds and the floors
# of the preset:
#
# .. code-block:: bash
#
#    mtneuro run --encoder gabor.py:encoder
#
# :doc:`../submitting` makes a file of the row that others can compare theirs with. Embeddings that were made elsewhere, in any
# language, have a row too: ``--export-images``, then ``--embeddings mine.npz``.
