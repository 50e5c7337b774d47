"""The methods, one a file; the registry knows their names."""
