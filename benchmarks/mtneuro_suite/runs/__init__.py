"""What a run is, and where its result stands."""
