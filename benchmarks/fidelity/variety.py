"""How much structures vary from place to place inside a region, and how much the region alone explains."""

from pathlib import Path

import numpy as np
import pandas as pd
from cubes import CORNERS, REGIONS
from matplotlib.figure import Figure
from mtneuro_data.phantom import Phantom
from mtneuro_probe import FEATURES, semantic_features

UM = (1.17, 1.17, 1.17)

Tables = dict[str, pd.DataFrame]
"""A region's features, a row a slice of 256 x 256 voxels."""


def human_tables(data: Path) -> tuple[Tables, list[int]]:
    """Return the features of people's labels of set A, and the slices that they are of."""
    folder = data / "prasad2020"
    labels = dict(np.load(folder / "human_labels.npz"))
    labels["ZI"] = np.load(folder / "human_labels_zi.npz")["ZI"]
    tables = {region: semantic_features(labels[region], voxel_size_um=UM) for region in REGIONS}
    return {region: _annotated(region, table) for region, table in tables.items()}, labels["z"].tolist()


def phantom_tables(seed: int, slices: list[int]) -> Tables:
    """Return the features of a phantom's labels at the same places."""
    phantom = Phantom("pixel_labels", seed=seed)
    tables: Tables = {}
    for region in REGIONS:
        y, x = CORNERS[region][0]
        planes = [phantom.read((z, y, x), (z + 1, y + 256, x + 256)) for z in slices]
        table = semantic_features(np.concatenate(planes), voxel_size_um=UM)
        tables[region] = _annotated(region, table)
    return tables


def _annotated(region: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the axons of regions where people labelled none."""
    return table.drop(columns="axon_density") if region in ("CTX", "ZI") else table


def variation(table: pd.DataFrame) -> dict[str, float]:
    """Return each feature's coefficient of variation over the slices of one region."""
    values = table.to_numpy()
    spread = np.nanstd(values, axis=0) / np.nanmean(values, axis=0)
    return dict(zip(table.columns, spread.tolist(), strict=True))


def region_alone(tables: Tables, name: str) -> float:
    """Return the R2 of a feature predicted by the mean of its region, over the regions that have it."""
    parts = [table[name].dropna().to_numpy() for table in tables.values() if name in table]
    every = np.concatenate(parts)
    inside = sum(((part - part.mean()) ** 2).sum() for part in parts)
    return float(1 - inside / ((every - every.mean()) ** 2).sum())


def region_alone_interval(tables: Tables, name: str) -> tuple[float, float]:
    """Return the 95 % interval of that R2 over slices drawn again from each region."""
    rng = np.random.default_rng(0)
    drawn = [
        region_alone(
            {
                region: table.iloc[rng.integers(len(table), size=len(table))]
                for region, table in tables.items()
            },
            name,
        )
        for _ in range(500)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def histograms(human: Tables, animals: list[Tables]) -> Figure:
    """Return one picture of each feature's values in each region: people's labels and the phantoms'."""
    figure = Figure(figsize=(12, 12), layout="constrained")
    axes = figure.subplots(len(FEATURES), len(REGIONS), squeeze=False)
    for row, name in zip(axes, FEATURES, strict=True):
        for axis, region in zip(row, REGIONS, strict=True):
            axis.set_title(f"{region} {name}".replace("_", " "), fontsize=8)
            if name not in human[region]:
                axis.set_axis_off()
                continue
            values = [human[region][name], pd.concat([tables[region][name] for tables in animals])]
            # Outlines differ in how generous they are: what is compared is the spread about the mean.
            relative = [one / one.mean() for one in values]
            bins = np.linspace(0, 2.5, 26)
            axis.hist(
                relative,
                bins=bins.tolist(),
                density=True,
                color=["#d55e00", "#0072b2"],
                label=["people", "phantom"],
            )
            axis.tick_params(labelsize=7)
    axes[0][0].legend(fontsize=8)
    figure.supxlabel("value / mean of the region")
    return figure
