"""A folder that keeps what was read of far volumes: chunks, and boxes that are read again and again."""
