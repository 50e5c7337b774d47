"""The commands of mtneuro-probe: each does its work and yields the lines to print."""
