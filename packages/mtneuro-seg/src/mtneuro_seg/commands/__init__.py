"""The commands of mtneuro-seg, one file each: a command does its work and yields the lines to print."""
