"""The commands of mtneuro-seg: each does its work and returns what there is to tell."""
