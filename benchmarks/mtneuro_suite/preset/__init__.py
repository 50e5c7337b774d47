"""What to run, as validated values."""
