"""The commands of mtneuro-data, one in each file."""
