"""The methods, one a file, each with its loss."""
