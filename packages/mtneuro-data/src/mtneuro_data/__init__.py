"""Cutouts, tasks and labels of the MTNeuro benchmark: from BossDB, Zarr, arrays or a phantom."""
