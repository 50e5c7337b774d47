"""The commands, a file a verb; each returns the lines that tell its result."""
