"""Carry out runs: in this process, on worker processes, on a Dask scheduler's workers, or in SLURM jobs."""
