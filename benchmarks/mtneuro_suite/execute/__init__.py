"""Carry runs out: in this process, over processes of its own, a Dask scheduler's workers, or SLURM's jobs."""
