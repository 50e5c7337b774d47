"""The commands of mtneuro-probe: each does its work and yields the lines that there are to tell."""
