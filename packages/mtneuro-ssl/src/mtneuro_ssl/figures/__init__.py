"""Pictures: the random views that a method learns from, and maps of embeddings in colour."""
