"""The commands of mtneuro-seg, a file each: they do the work and yield the lines to print."""
