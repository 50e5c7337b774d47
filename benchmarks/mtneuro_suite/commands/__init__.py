"""The commands, one file each; a command returns the lines that report its result."""
