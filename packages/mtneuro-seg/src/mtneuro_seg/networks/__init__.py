"""The networks, and the registry that names them; a new one is a file here and an entry there."""
