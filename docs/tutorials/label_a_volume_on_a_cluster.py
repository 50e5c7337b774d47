"""
Label a whole volume on a cluster
=================================

A network that was trained on a few slices labels a volume of any size, piece by piece. One machine does it with
``predict_volume``; the workers of a Dask scheduler share the work with ``predict_volume_on_cluster``. Here the cluster is this machine:
a scheduler and two workers, started by the same commands as on many machines.
"""

# %%
# A network and a volume
# ----------------------
#
# A small U-Net of vessels and cells, trained for a moment on slices of one cube, and a volume beside it that it has not seen.

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from distributed import Security
from mtneuro_data import open_volume, save_volume
from mtneuro_seg import TrainSettings, overlay, predict_volume, predict_volume_on_cluster, train

folder = Path(tempfile.mkdtemp())
image, labels = (open_volume(f"phantom://{name}") for name in ("image", "pixel_labels"))
images, masks = (volume[200:224, 900:1028, 4600:4728] for volume in (image, labels))
masks = np.where(masks == 3, 0, masks)
names = ["background", "vessel", "cell"]
settings = TrainSettings(model="unet", classes=3, filters=8, steps=120, batch_size=4, learning_rate=0.005)
model = train(images, settings, masks=masks, out=folder / "unet", class_names=names)

save_volume(folder / "brain.zarr", image[260:276, 900:1156, 4600:4856], voxel_size_um=image.voxel_size_um)

# %%
# Certificates
# ------------
#
# Dask runs whatever it is sent. Without TLS, whoever reaches the port of its scheduler can run code as you, every account of
# the machine included. Three files that only you may read keep others out; Dask can make them for the moment.
# :doc:`../howto/cluster` shows how to make them once for many machines.

secret = folder / "tls"
secret.mkdir(mode=0o700)
made = Security.temporary()
(secret / "ca.pem").write_text(made.tls_ca_file)
(secret / "cert.pem").write_text(made.tls_client_cert)
(secret / "key.pem").touch(mode=0o600)
(secret / "key.pem").write_text(made.tls_client_key)
tls = [
    f"--tls-{kind}={secret / file}.pem"
    for kind, file in (("ca-file", "ca"), ("cert", "cert"), ("key", "key"))
]

# %%
# The cluster
# -----------
#
# On a real one, the scheduler runs on a machine that the others reach, and each machine starts its worker with the same line.

environment = os.environ | {"OMP_NUM_THREADS": "1"}


def started(*words):
    """Start a part of Dask in the background."""
    command = [sys.executable, "-m", "distributed.cli.dask_" + words[0], *words[1:], *tls]
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


where = folder / "scheduler.json"
parts = [
    started(
        "scheduler",
        "--protocol=tls",
        "--host=127.0.0.1",
        "--port=0",
        "--no-dashboard",
        f"--scheduler-file={where}",
    )
]
while not where.exists():
    time.sleep(0.1)
address = json.loads(where.read_text())["address"]
parts += [started("worker", address, "--nthreads=1", "--no-dashboard", "--no-nanny") for _ in range(2)]
print(len(parts) - 1, "workers")

# %%
# Label it
# --------
#
# Model, volume and output lie under the same paths for every worker. Rows of shards are the unit of work: those of a worker
# that is lost are done again by another, and the same call after an interruption does what is missing.

predict_volume_on_cluster(
    address,
    folder / "unet",
    volume=folder / "brain.zarr",
    out=folder / "labels.ome.zarr",
    tls=secret,
    shard_depth=4,
)
for part in parts:
    part.terminate()
    part.wait()

# %%
# The result is an OME-Zarr that viewers show over the image. It is the same, bit for bit, as that of one machine:

found = open_volume(str(folder / "labels.ome.zarr"))[0:16, 0:256, 0:256]
predict_volume(model, open_volume(str(folder / "brain.zarr")), out=folder / "alone.ome.zarr", shard_depth=4)
print((found == open_volume(str(folder / "alone.ome.zarr"))[0:16, 0:256, 0:256]).all())

# %%
# The image, the network's labels, and the truth, which only a phantom has. Vessels are red, cells yellow.

truth = labels[260:261, 900:1156, 4600:4856][0]
shown = open_volume(str(folder / "brain.zarr"))[0:1, 0:256, 0:256][0]
fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
axes[0].imshow(shown, cmap="gray")
axes[1].imshow(overlay(shown, found[0], class_names=names))
axes[2].imshow(overlay(shown, np.where(truth == 3, 0, truth), class_names=names))
for axis, title in zip(axes, ("image", "network", "truth"), strict=True):
    axis.set(title=title, xticks=[], yticks=[])

# %%
# On the command line:
#
# .. code-block:: bash
#
#    mtneuro-seg predict unet brain.zarr -o labels.ome.zarr --scheduler tls://HOST:8786 --tls tls
