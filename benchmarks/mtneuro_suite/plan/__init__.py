"""From a preset to its runs, and what they will cost."""
