"""Whole volumes: a window slides over them, and labels are written shard by shard."""
