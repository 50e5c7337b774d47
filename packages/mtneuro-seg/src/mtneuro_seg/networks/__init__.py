"""The networks: each is a file here and an entry in the registry."""
