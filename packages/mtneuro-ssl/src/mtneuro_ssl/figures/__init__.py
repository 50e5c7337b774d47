"""Pictures: what a method is shown, and maps of embeddings in colour."""
