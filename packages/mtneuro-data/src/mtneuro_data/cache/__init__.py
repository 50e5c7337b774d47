"""An on-disk cache of remote volumes: their chunks, and whole boxes that are read repeatedly."""
