"""
Reproduce a table of the paper
==============================

The suite turns a preset, a TOML file, into runs, carries them out, and writes the paper's tables. This page runs Table 1, the accuracy
of brain region by method, at a small size on the phantom, reads the numbers, and says what to change for the paper's own size.
"""

# %%
# What would be run
# -----------------
#
# ``mtneuro plan`` names the runs without starting any.

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

folder = Path(tempfile.mkdtemp())
(folder / "small.toml").write_text("""
description = "Table 1 at a small size: two ways to learn, PCA, and floors; two sub-tasks, two seeds."
seeds = [1, 2]

[task1]
methods = ["supervised", "byol", "pca", "untrained"]
tasks = ["roi-c1", "roi-c2"]
downsample = 4
z_step = 10
test_z_step = 20

[task1.settings]
encoder = "timm/resnet10t"
steps = 20
batch_size = 16
latent_dim = 16
components = 16
hidden = 64
projection = 32
""")


def mtneuro(*words):
    """Run the command ``mtneuro`` in the folder, and print what it says."""
    command = [sys.executable, "-m", "mtneuro_suite", *words]
    done = subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True)
    print(done.stdout.replace(str(folder), "."))


mtneuro("plan", "--preset", "small.toml")

# %%
# Run it
# ------
#
# Stop it whenever you like: the same command goes on. What is done is kept under a name that says what it was made of, settings, seed,
# data and code, so that no stale number is ever read.

mtneuro("run", "--preset", "small.toml", "--tables", "--workers", "0")

# %%
# The numbers
# -----------
#
# ``results.csv`` has a row for each number, with the samples that it rests on. The report beside it, ``report.html``, opens in a
# browser and draws them.

rows = pd.read_csv(next((folder / "results").glob("*/results.csv")))
chosen = rows[rows["metric"].isin(["accuracy_corners", "accuracy_whole"]) & rows["cube"].isna()]
chosen = chosen[["task", "model", "seed", "metric", "value", "n"]]
chosen.head(8)

# %%
# Mean and spread over seeds, on the cubes that training has seen (ROI-C1), and on others (ROI-C2):

table = chosen[chosen["metric"] == "accuracy_corners"].pivot_table(
    index="model", columns="task", values="value", aggfunc="mean"
)
fig, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
table.plot.barh(ax=axis)
axis.axvline(0.25, color="0.5", linestyle=":", label="chance")
axis.set(xlabel="accuracy on corners", ylabel="", xlim=(0, 1))
axis.legend()

# %%
# The paper's own size
# --------------------
#
# The preset ``table1`` has the paper's settings, its seven methods and its five seeds. On the real volume:
#
# .. code-block:: bash
#
#    mtneuro plan --preset table1 --source bossdb --estimate   # what it would cost here
#    mtneuro run --preset table1 --source bossdb
#    mtneuro compare results/table1                            # beside the paper's numbers
#
# It takes hours to days without a GPU. Where the paper is ambiguous, both readings are rows; :doc:`../differences` says what is
# done otherwise than in the original code, by how much that matters, and which setting gives the original's.
