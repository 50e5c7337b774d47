"""The commands of mtneuro-data: each does its work and yields the lines that there are to tell."""
